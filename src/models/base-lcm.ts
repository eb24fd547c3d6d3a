import type { BaseLcmArchitecture } from '../formats/concept-model-manifest'
import type { TensorSource } from '../formats/safetensors'
import type { Gpu, Program, Tensor } from '../gpu'
import type { BaseLcmBatch } from './base-lcm-batch'
import { CachedModel, type SharedParts } from './cached-model'
import type { PredictOptions } from './concept-model'
import { Contextualizer, type ContextualizerWeights, loadContextualizer } from './contextualizer'
import { loadKernels } from './kernels'
import { loadNormalizer } from './normalizer'
import { sampledPrediction } from './temperature'
import { ModelWeights, type Projection, requireSizes } from './weights'

export interface BaseLcmParts extends SharedParts {
  weights: ModelWeights
  contextualizer: ContextualizerWeights
  postnet: Projection
  /** Memories that use the weights. */
  users: number
}

/**
 * The Base-LCM (reference/lcm.md §2): the context vector of the last concept, through a linear layer, is the next concept, to which `temperature`
 * adds noise.
 */
export class BaseLcm extends CachedModel<Contextualizer> {
  readonly #parts: BaseLcmParts
  readonly #prediction: Tensor
  readonly #postnet: Program

  /** Uploads the weights and compiles the kernels. @throws ModelFormatError for a tensor that is missing or has another shape, KernelError. */
  static async load(gpu: Gpu, source: TensorSource, architecture: BaseLcmArchitecture): Promise<BaseLcm> {
    requireSizes(architecture)
    const { sonar_dim: sonarDim, model_dim: modelDim, heads, layers, ffn_inner: ffnInner, max_seq_len: capacity } = architecture
    const weights = new ModelWeights(gpu, source)
    try {
      const names = { preLinear: 'frontend.pre_linear', stack: 'lcm' }
      const contextualizer = loadContextualizer(weights, names, { sonarDim, modelDim, heads, layers, ffnInner })
      const postnet = weights.projection('postnet.fc', sonarDim, modelDim)
      const normalizer = loadNormalizer(source, 'frontend.sonar_normalizer', sonarDim)
      const kernels = await loadKernels(gpu, weights, { headDim: modelDim / heads, positions: capacity })
      return new BaseLcm({ gpu, kernels, normalizer, contextualizer, capacity, weights, postnet, users: 0 })
    } catch (error) {
      weights.destroy()
      throw error
    }
  }

  private constructor(parts: BaseLcmParts) {
    const { gpu, kernels, contextualizer, postnet } = parts
    super(parts, (cursor, rows) => new Contextualizer(gpu, kernels, contextualizer, cursor, rows))
    this.#parts = parts
    this.#prediction = gpu.tensor('prediction', [1, this.dim])
    this.#postnet = gpu.program('postnet')
    // The last concept is always encoded alone, so its context vector is in row 0.
    kernels.linear.record(this.#postnet, { input: this.reader.output, ...postnet, output: this.#prediction, rows: 1 })
    parts.users++
  }

  fork(): BaseLcm {
    return new BaseLcm(this.#parts)
  }

  async batch(documents: number, room: number): Promise<BaseLcmBatch> {
    const { BaseLcmBatch } = await import('./base-lcm-batch')
    return new BaseLcmBatch(this.#parts, documents, room)
  }

  override dispose(): void {
    super.dispose()
    this.#prediction.destroy()
    if (--this.#parts.users === 0) this.#parts.weights.destroy()
  }

  protected override predictNormalized(options: PredictOptions): Promise<Float32Array> {
    const { gpu } = this.#parts
    return sampledPrediction(() => {
      gpu.submit([...this.memory.takePending(), this.#postnet])
      return gpu.read(this.#prediction)
    }, options)
  }
}
