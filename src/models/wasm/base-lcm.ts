import type { BaseLcmArchitecture } from '../../formats/concept-model-manifest'
import type { TensorSource } from '../../formats/safetensors'
import { type Graph, GraphBuilder } from '../../onnx'
import type { PredictOptions } from '../concept-model'
import { loadNormalizer } from '../normalizer'
import { sampledPrediction } from '../temperature'
import { requireSizes } from '../weights'
import { addContextualizer, type ContextSizes, readConcept } from './context-graph'
import { Layers } from './layers'
import { openGraphs, type ReadConcept, WasmModel, type WasmParts } from './wasm-model'

interface Parts extends WasmParts {
  graphs: Record<'contextualizer', Graph>
  sizes: ContextSizes
}

/** The Base-LCM (reference/lcm.md §2) on the processor: the context vector of the last concept, through a linear layer, is the next concept. */
export class WasmBaseLcm extends WasmModel {
  readonly #parts: Parts

  /** @throws ModelFormatError for a tensor that is missing or has another shape. */
  static async load(source: TensorSource, architecture: BaseLcmArchitecture): Promise<WasmBaseLcm> {
    requireSizes(architecture)
    const { sonar_dim: sonarDim, model_dim: modelDim, heads, layers, ffn_inner: ffnInner, max_seq_len: capacity } = architecture
    const sizes = { sonarDim, modelDim, heads, layers, ffnInner }
    const normalizer = loadNormalizer(source, 'frontend.sonar_normalizer', sonarDim)
    const graph = new GraphBuilder(source)
    const stack = new Layers(graph, sizes)
    const context = addContextualizer(stack, { preLinear: 'frontend.pre_linear', stack: 'lcm' }, sizes)
    graph.output('prediction', stack.linear('postnet.fc', context, sonarDim, modelDim), [1, sonarDim])
    return new WasmBaseLcm({ graphs: await openGraphs({ contextualizer: graph }), normalizer, capacity, sizes, users: 0 })
  }

  private constructor(parts: Parts) {
    super(parts, [2 * parts.sizes.layers * parts.sizes.modelDim])
    this.#parts = parts
  }

  fork(): WasmBaseLcm {
    return new WasmBaseLcm(this.#parts)
  }

  protected override async read(concept: Float32Array, position: number): Promise<ReadConcept> {
    const { graphs, sizes } = this.#parts
    const input = { concept, position, past: this.stateOf(0, position) }
    const { row, prediction } = await readConcept(graphs.contextualizer, sizes, input, ['row', 'prediction'])
    return { state: [row], output: prediction }
  }

  protected override predictNormalized(options: PredictOptions): Promise<Float32Array> {
    return sampledPrediction(() => this.lastOutput(), options)
  }
}
