import type { OneTowerArchitecture } from '../formats/concept-model-manifest'
import type { TensorSource } from '../formats/safetensors'
import type { Gpu } from '../gpu'
import { type DdimStep, loadAddRows, loadDdimStep } from '../ops'
import { CachedModel, type SharedParts } from './cached-model'
import type { PredictOptions } from './concept-model'
import { type InterleavedKernels, InterleavedTower, type InterleavedWeights, loadInterleavedTower } from './interleaved-tower'
import { loadKernels } from './kernels'
import { timestepEmbedding, timestepFeatureWidth } from './modulation'
import { loadNormalizer } from './normalizer'
import { Sampler } from './sampler'
import { type NoiseSchedule, noiseSchedule, type SchedulerConfig, schedulerDefaults } from './schedule'
import { ModelWeights, type Projection, requireSizes } from './weights'

interface OneTowerParts extends SharedParts {
  kernels: InterleavedKernels
  weights: ModelWeights
  tower: InterleavedWeights
  /** 256 → e → e, see `timestepEmbedding`. */
  embedTime: { fc1: Projection; fc2: Projection }
  ddimStep: DdimStep
  scheduler: SchedulerConfig
  schedule: NoiseSchedule
  /** Memories that use the weights. */
  users: number
}

/**
 * The One-Tower diffusion concept model (arXiv 2412.08821 §2.3.3; reference/lcm.md §6): one transformer over noisy and clean concepts in turn,
 * x_1^t x_1^0 x_2^t x_2^0 …, in which every position sees the clean concepts before its own, and itself. A concept, joined to the embedding of its
 * timestep (0 for a clean one), goes through a linear layer; a learned position is added, the same for a concept's two forms; the output at a noisy
 * position is the prediction for its concept.
 *
 * No code or checkpoint of it is public. Tensors have the names that the reference gives to the same parts of its other models:
 *
 *     frontend.sonar_normalizer.{center,scale}                    [s]
 *     frontend.embed_time.fc1.{weight,bias}                       [e, 256]        lcm.md §3.2
 *     frontend.embed_time.fc2.{weight,bias}                       [e, e]
 *     frontend.pre_linear.{weight,bias}                           [d, s + e]      columns: concept, then timestep
 *     frontend.pos_encoder.weight                                 [max_seq_len + 1, d]   after max_seq_len concepts there may be one more
 *     lcm.layers.{i}.self_attn_layer_norm.weight, …, lcm.layer_norm.weight        as in a Base-LCM, without rotary positions
 *     postnet.fc.{weight,bias}                                    [s, d]
 */
export class OneTower extends CachedModel<InterleavedTower> {
  readonly #parts: OneTowerParts
  readonly #sampler: Sampler

  /**
   * Uploads the weights and compiles the kernels.
   * @throws ModelFormatError for a tensor that is missing or has another shape, InvalidInput for a schedule that does not exist, KernelError.
   */
  static async load(
    gpu: Gpu,
    source: TensorSource,
    architecture: OneTowerArchitecture,
    schedulerConfig: Partial<SchedulerConfig> = {},
  ): Promise<OneTower> {
    requireSizes(architecture)
    const scheduler = { ...schedulerDefaults, ...schedulerConfig }
    const schedule = noiseSchedule(scheduler)
    const { sonar_dim: sonarDim, model_dim: modelDim, timestep_embed_dim: timestepDim, heads, layers, max_seq_len: capacity } = architecture
    const weights = new ModelWeights(gpu, source)
    try {
      const sizes = { sonarDim, modelDim, heads, layers, ffnInner: architecture.ffn_inner }
      const tower = loadInterleavedTower(weights, { ...sizes, stepDim: timestepDim, positions: capacity + 1, outputs: sonarDim })
      const embedTime = {
        fc1: weights.projection('frontend.embed_time.fc1', timestepDim, timestepFeatureWidth),
        fc2: weights.projection('frontend.embed_time.fc2', timestepDim, timestepDim),
      }
      const normalizer = loadNormalizer(source, 'frontend.sonar_normalizer', sonarDim)
      const [common, addRows, ddimStep] = await Promise.all([
        loadKernels(gpu, weights, { headDim: modelDim / heads, positions: 1 }),
        loadAddRows(gpu),
        loadDdimStep(gpu),
      ])
      const kernels = { ...common, addRows }
      return new OneTower({ gpu, kernels, normalizer, capacity, weights, tower, embedTime, ddimStep, scheduler, schedule, users: 0 })
    } catch (error) {
      weights.destroy()
      throw error
    }
  }

  private constructor(parts: OneTowerParts) {
    const { gpu, kernels, tower, embedTime, ddimStep, scheduler, schedule } = parts
    const steps = { embed: (timesteps: readonly number[]) => timestepEmbedding(gpu, kernels, embedTime, timesteps), clean: 0 }
    super(parts, (cursor, rows) => new InterleavedTower(gpu, { kernels, weights: tower, steps }, cursor, rows))
    const { cursor, memory, reader: denoiser } = this
    const tables = (timesteps: readonly number[]) => [denoiser.stepTable(timesteps)]
    this.#parts = parts
    this.#sampler = new Sampler(gpu, { denoiser, ddimStep, cursor, memory, tables, scheduler, schedule })
    parts.users++
  }

  fork(): OneTower {
    return new OneTower(this.#parts)
  }

  override dispose(): void {
    super.dispose()
    this.#sampler.destroy()
    if (--this.#parts.users === 0) this.#parts.weights.destroy()
  }

  protected override predictNormalized(options: PredictOptions): Promise<Float32Array> {
    return this.#sampler.sample({ ...options, noise: [options.noise] })
  }
}
