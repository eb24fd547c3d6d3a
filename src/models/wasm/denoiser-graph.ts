import type { TensorSource } from '../../formats/safetensors'
import { float32, floats, type Graph, GraphBuilder } from '../../onnx'
import { timestepFeatures, timestepFeatureWidth } from '../modulation'
import { type KeysAndValues, type LayerSizes, Layers } from './layers'

export interface DenoiserSizes extends LayerSizes {
  /** Numbers in a concept. */
  sonarDim: number
  layers: number
}

/**
 * The denoiser of the Two-Tower model (reference/lcm.md §3.3), with the shortcuts of its GPU form but for the unconditional row, which goes through
 * attention like the other and sees the zero vector alone:
 * `latent` [rows, sonarDim], `modulation` [1, layers · 9d], `past` [n, layers · 2d], `mask` [rows, n + 1] → `prediction` [rows, sonarDim].
 */
export function denoiserGraph(source: TensorSource, sizes: DenoiserSizes): GraphBuilder {
  const graph = new GraphBuilder(source)
  const layers = new Layers(graph, sizes)
  const { sonarDim, modelDim } = sizes
  const latent = graph.input('latent', ['rows', sonarDim])
  const modulation = graph.nodes('Split', [graph.input('modulation', [1, sizes.layers * 9 * modelDim])], 9 * sizes.layers, { axis: 1 })
  const caches = layers.caches(graph.input('past', ['past', 2 * sizes.layers * modelDim]), sizes.layers)
  const mask = graph.input('mask', ['rows', 'seen'])
  let hidden = layers.linear('denoiser.initial_proj.fc', latent, modelDim, sonarDim)
  for (const [index, cache] of caches.entries()) {
    const name = `denoiser.layers.${index}`
    const part = (number: number) => modulation[9 * index + number]!
    const normed = (number: number, norm: string) =>
      layers.norm(`${name}.${norm}`, hidden, { shift: part(3 * number), scale: part(3 * number + 1) })
    const addGated = (number: number, value: string) => {
      hidden = layers.add(hidden, graph.node('Mul', [value, part(3 * number + 2)]))
    }
    const own = layers.square(`${name}.self_attn.v_proj`, normed(0, 'self_attn_layer_norm'))
    addGated(0, layers.square(`${name}.self_attn.output_proj`, own))
    const query = layers.square(`${name}.cross_attention.q_proj`, normed(1, 'cross_attention_layer_norm'))
    const attended = layers.attend(query, layers.extended(ofZero(layers, name, modelDim), cache), mask)
    addGated(1, layers.square(`${name}.cross_attention.output_proj`, attended))
    addGated(2, layers.feedForward(`${name}.ffn`, normed(2, 'ffn_layer_norm')))
  }
  const prediction = layers.linear('denoiser.final_proj.fc', layers.norm('denoiser.layer_norm', hidden), sonarDim, modelDim)
  graph.output('prediction', prediction, ['rows', sonarDim])
  return graph
}

/**
 * What depends on the timestep alone: `features` [T, 256] → `embedding` [T, d] (§3.2) and `modulation` [T, layers · 9d], per layer
 * [self-attention | cross-attention | feed-forward], each [shift | scale | gate].
 */
export function modulationGraph(source: TensorSource, sizes: DenoiserSizes): GraphBuilder {
  const graph = new GraphBuilder(source)
  const layers = new Layers(graph, sizes)
  const { modelDim } = sizes
  const features = graph.input('features', ['steps', timestepFeatureWidth])
  const hidden = layers.silu(layers.linear('denoiser.embed_time.fc1', features, modelDim, timestepFeatureWidth))
  const embedding = layers.square('denoiser.embed_time.fc2', hidden)
  const active = layers.silu(embedding)
  const parts = Array.from({ length: sizes.layers }, (_, index) =>
    layers.linear(`denoiser.layers.${index}.modulator.fc`, active, 9 * modelDim, modelDim),
  )
  graph.output('embedding', embedding, ['steps', modelDim])
  graph.output('modulation', graph.node('Concat', parts, { axis: 1 }), ['steps', sizes.layers * 9 * modelDim])
  return graph
}

/** Adds the keys and values that the denoiser's layers make of a context vector: `cross row` [1, layers · 2d]. */
export function addCrossRow(layers: Layers, context: string, sizes: DenoiserSizes): void {
  const parts = Array.from({ length: sizes.layers }, (_, index): KeysAndValues => {
    const name = `denoiser.layers.${index}.cross_attention`
    return { keys: layers.square(`${name}.k_proj`, context), values: layers.square(`${name}.v_proj`, context) }
  })
  layers.graph.output('cross row', layers.rows(parts), [1, 2 * sizes.layers * sizes.modelDim])
}

/** Runs a graph over timesteps. */
export async function runTimesteps<Output extends string>(
  graph: Graph,
  timesteps: readonly number[],
  output: Output,
): Promise<Float32Array> {
  const features = float32(timestepFeatures(timesteps), [timesteps.length, timestepFeatureWidth])
  return floats((await graph.run({ features }, [output]))[output])
}

/** The key and the value of the zero vector in front of the context: the biases, [1, d]. */
function ofZero({ graph }: Layers, name: string, modelDim: number): KeysAndValues {
  const bias = (part: string) =>
    graph.node('Unsqueeze', [graph.weight(`${name}.cross_attention.${part}.bias`, [modelDim]), graph.integers([0])])
  return { keys: bias('k_proj'), values: bias('v_proj') }
}
