import type { Graph, Value } from '../../onnx'
import { float32, floats } from '../../onnx'
import { type KeysAndValues, type LayerSizes, type Layers, rotation } from './layers'

export interface ContextSizes extends LayerSizes {
  /** Numbers in a concept. */
  sonarDim: number
  layers: number
}

/**
 * Adds the causal transformer over the concepts of a document (reference/lcm.md §3.1; §2 for a Base-LCM) for one concept: `concept` [1, sonarDim],
 * `past` [n, layers · 2d] with the cache rows of those before it, `cosines` and `sines` [1, d] of its position → `row` [1, layers · 2d].
 *
 * @param names prefixes of the tensor names: the linear layer in front, and the stack
 * @returns the context vector, [1, d]
 */
export function addContextualizer(layers: Layers, names: { preLinear: string; stack: string }, sizes: ContextSizes): Value {
  const { graph } = layers
  const { sonarDim, modelDim } = sizes
  const concept = graph.input('concept', [1, sonarDim])
  const caches = layers.caches(graph.input('past', ['past', 2 * sizes.layers * modelDim]), sizes.layers)
  const turn = { cosines: graph.input('cosines', [1, modelDim]), sines: graph.input('sines', [1, modelDim]) }
  const added: KeysAndValues[] = []
  let hidden = layers.linear(names.preLinear, concept, modelDim, sonarDim)
  for (const [index, cache] of caches.entries()) {
    const name = `${names.stack}.layers.${index}`
    const normed = layers.norm(`${name}.self_attn_layer_norm`, hidden)
    const query = layers.rotate(layers.square(`${name}.self_attn.q_proj`, normed), turn)
    const keys = layers.rotate(layers.square(`${name}.self_attn.k_proj`, normed), turn)
    const own = { keys, values: layers.square(`${name}.self_attn.v_proj`, normed) }
    added.push(own)
    const attended = layers.attend(query, layers.extended(cache, own))
    hidden = layers.add(hidden, layers.square(`${name}.self_attn.output_proj`, attended))
    hidden = layers.add(hidden, layers.feedForward(`${name}.ffn`, layers.norm(`${name}.ffn_layer_norm`, hidden)))
  }
  graph.output('row', layers.rows(added), [1, 2 * sizes.layers * modelDim])
  return layers.norm(`${names.stack}.layer_norm`, hidden)
}

/** Runs a graph with a contextualizer for the concept [sonarDim] at a position, behind the cache rows [position, layers · 2d] of those before it. */
export async function readConcept<Output extends string>(
  graph: Graph,
  sizes: ContextSizes,
  { concept, past, position }: { concept: Float32Array; past: Float32Array; position: number },
  outputs: readonly Output[],
): Promise<Record<Output, Float32Array>> {
  const { cosines, sines } = rotation(position, sizes)
  const results = await graph.run(
    {
      concept: float32(concept, [1, concept.length]),
      past: float32(past, [position, 2 * sizes.layers * sizes.modelDim]),
      cosines: float32(cosines, [1, cosines.length]),
      sines: float32(sines, [1, sines.length]),
    },
    outputs,
  )
  return Object.fromEntries(outputs.map((name) => [name, floats(results[name])])) as Record<Output, Float32Array>
}
