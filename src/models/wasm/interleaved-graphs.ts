import type { TensorSource } from '../../formats/safetensors'
import { GraphBuilder, type Value } from '../../onnx'
import { timestepFeatureWidth } from '../modulation'
import { type KeysAndValues, type LayerSizes, Layers } from './layers'

export interface InterleavedSizes extends LayerSizes {
  /** Numbers in a concept. */
  sonarDim: number
  /** e: numbers in the embedding of a timestep. */
  timestepDim: number
  layers: number
}

/** `features` [T, 256] of timesteps → `embedding` [T, e] (reference/lcm.md §3.2). */
export function timeGraph(source: TensorSource, sizes: InterleavedSizes): GraphBuilder {
  const graph = new GraphBuilder(source)
  const layers = new Layers(graph, sizes)
  const { timestepDim } = sizes
  const features = graph.input('features', ['steps', timestepFeatureWidth])
  const hidden = layers.silu(layers.linear('frontend.embed_time.fc1', features, timestepDim, timestepFeatureWidth))
  graph.output('embedding', layers.linear('frontend.embed_time.fc2', hidden, timestepDim, timestepDim), ['steps', timestepDim])
  return graph
}

/** What later positions see of a clean concept: `concept` [1, sonarDim], `time` [1, e], `position` [1, d], `past` [n, layers · 2d] → `row` [1, layers · 2d]. */
export function cleanGraph(source: TensorSource, sizes: InterleavedSizes): GraphBuilder {
  const graph = new GraphBuilder(source)
  const layers = new Layers(graph, sizes)
  const start = addInput(layers, sizes, 1)
  const added: KeysAndValues[] = []
  let { hidden } = start
  for (const [index, cache] of start.caches.entries()) {
    const { project, own } = attention(layers, index, hidden)
    added.push(own)
    // Of the last layer its keys and values are needed alone.
    if (index < sizes.layers - 1) hidden = addRest(layers, index, hidden, layers.attend(project('q_proj'), layers.extended(cache, own)))
  }
  graph.output('row', layers.rows(added), [1, 2 * sizes.layers * sizes.modelDim])
  return graph
}

/**
 * A pass over a noisy concept: `concept` [rows, sonarDim], `time` [rows, e], `position` [1, d], `past` [n, layers · 2d], `mask` [rows, n + rows] →
 * `prediction` [rows, sonarDim].
 */
export function noisyGraph(source: TensorSource, sizes: InterleavedSizes): GraphBuilder {
  const graph = new GraphBuilder(source)
  const layers = new Layers(graph, sizes)
  const start = addInput(layers, sizes, 'rows')
  const mask = graph.input('mask', ['rows', 'seen'])
  let { hidden } = start
  for (const [index, cache] of start.caches.entries()) {
    const { project, own } = attention(layers, index, hidden)
    hidden = addRest(layers, index, hidden, layers.attend(project('q_proj'), layers.extended(cache, own), mask))
  }
  const prediction = layers.linear('postnet.fc', layers.norm('lcm.layer_norm', hidden), sizes.sonarDim, sizes.modelDim)
  graph.output('prediction', prediction, ['rows', sizes.sonarDim])
  return graph
}

/** The input layer over concept and timestep, with the learned position added; and the caches of the layers. */
function addInput(layers: Layers, sizes: InterleavedSizes, rows: number | string): { hidden: Value; caches: KeysAndValues[] } {
  const { graph } = layers
  const { sonarDim, timestepDim, modelDim } = sizes
  const joined = graph.node('Concat', [graph.input('concept', [rows, sonarDim]), graph.input('time', [rows, timestepDim])], { axis: 1 })
  const embedded = layers.linear('frontend.pre_linear', joined, modelDim, sonarDim + timestepDim)
  const hidden = layers.add(embedded, graph.input('position', [1, modelDim]))
  const past = graph.input('past', ['past', 2 * sizes.layers * modelDim])
  return { hidden, caches: layers.caches(past, sizes.layers) }
}

/** What a layer's attention makes of its input: keys and values, and whatever else is projected. */
function attention(layers: Layers, index: number, hidden: Value): { project: (part: string) => Value; own: KeysAndValues } {
  const name = `lcm.layers.${index}`
  const normed = layers.norm(`${name}.self_attn_layer_norm`, hidden)
  const project = (part: string) => layers.square(`${name}.self_attn.${part}`, normed)
  return { project, own: { keys: project('k_proj'), values: project('v_proj') } }
}

/** What follows the attention in a layer. */
function addRest(layers: Layers, index: number, hidden: Value, attended: Value): Value {
  const name = `lcm.layers.${index}`
  const x = layers.add(hidden, layers.square(`${name}.self_attn.output_proj`, attended))
  return layers.add(x, layers.feedForward(`${name}.ffn`, layers.norm(`${name}.ffn_layer_norm`, x)))
}
