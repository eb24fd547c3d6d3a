import type { TwoTowerArchitecture } from '../formats/concept-model-manifest'
import type { TensorSource } from '../formats/safetensors'
import type { Gpu, Program } from '../gpu'
import { type DdimStep, loadDdimStep, writeCursor } from '../ops'
import { CachedModel, type SharedParts } from './cached-model'
import type { ConceptModel, PredictOptions } from './concept-model'
import { initialRows } from './context-memory'
import { Contextualizer, type ContextualizerWeights, loadContextualizer } from './contextualizer'
import { Denoiser, type DenoiserWeights, loadDenoiser } from './denoiser'
import { loadKernels } from './kernels'
import { loadModulation, type ModulationWeights, modulationTables, timestepEmbedding } from './modulation'
import { loadNormalizer } from './normalizer'
import { Sampler } from './sampler'
import { type NoiseSchedule, noiseSchedule, type SchedulerConfig, schedulerDefaults } from './schedule'
import type { StateColumn } from './state-rows'
import type { TwoTowerBatch } from './two-tower-batch'
import { ModelWeights, requireSizes } from './weights'

export interface TwoTowerParts extends SharedParts {
  weights: ModelWeights
  contextualizer: ContextualizerWeights
  denoiser: DenoiserWeights
  modulation: ModulationWeights
  ddimStep: DdimStep
  scheduler: SchedulerConfig
  schedule: NoiseSchedule
  /** Memories that use the weights. */
  users: number
}

/** A Two-Tower model that can be compared with a pass as in training. */
export interface TwoTowerPasses extends ConceptModel {
  /**
   * Row by row, the denoiser's output for a noisy concept at a timestep with the first `visible` concepts of the memory in view.
   *
   * @param concepts normalised [n, dim], appended to the memory
   * @param rows noisy concepts, normalised [dim] each
   * @returns context vectors [d] of the concepts; timestep embeddings [d] and predictions [dim] of the rows
   */
  forward(
    concepts: Float32Array,
    rows: readonly { noisy: Float32Array; timestep: number; visible: number }[],
  ): Promise<{ context: Float32Array[]; embeddings: Float32Array; predictions: Float32Array[] }>
}

/**
 * The Two-Tower diffusion concept model (reference/lcm.md §3): a contextualizer reads the document once, and a denoiser that attends to what it
 * made of it turns noise into the next concept.
 */
export class TwoTower extends CachedModel<Contextualizer> implements TwoTowerPasses {
  readonly #parts: TwoTowerParts
  readonly #denoiser: Denoiser
  readonly #sampler: Sampler

  /**
   * Uploads the weights and compiles the kernels.
   * @param source tensors under the reference's names; query and key projections of the denoiser's self-attention need not be there
   * @throws ModelFormatError for a tensor that is missing or has another shape, InvalidInput for a schedule that does not exist, KernelError.
   */
  static async load(
    gpu: Gpu,
    source: TensorSource,
    architecture: TwoTowerArchitecture,
    schedulerConfig: Partial<SchedulerConfig> = {},
  ): Promise<TwoTower> {
    requireSizes(architecture)
    const scheduler = { ...schedulerDefaults, ...schedulerConfig }
    const schedule = noiseSchedule(scheduler)
    const { sonar_dim: sonarDim, model_dim: modelDim, heads, ffn_inner: ffnInner, max_seq_len: capacity } = architecture
    const sizes = { sonarDim, modelDim, heads, ffnInner }
    const weights = new ModelWeights(gpu, source)
    try {
      const names = { preLinear: 'encoder_frontend.pre_linear', stack: 'context_encoder' }
      const contextualizer = loadContextualizer(weights, names, { ...sizes, layers: architecture.context_layers })
      const denoiser = loadDenoiser(weights, { ...sizes, layers: architecture.denoiser_layers })
      const modulation = loadModulation(weights, denoiser.architecture)
      const normalizer = loadNormalizer(source, 'sonar_normalizer', sonarDim)
      const [kernels, ddimStep] = await Promise.all([
        loadKernels(gpu, weights, { headDim: modelDim / heads, positions: capacity }),
        loadDdimStep(gpu),
      ])
      return new TwoTower({
        gpu,
        kernels,
        normalizer,
        contextualizer,
        capacity,
        weights,
        denoiser,
        modulation,
        ddimStep,
        scheduler,
        schedule,
        users: 0,
      })
    } catch (error) {
      weights.destroy()
      throw error
    }
  }

  private constructor(parts: TwoTowerParts) {
    const { gpu, kernels, contextualizer, ddimStep, modulation, scheduler, schedule, capacity } = parts
    super(parts, (cursor, rows) => new Contextualizer(gpu, kernels, contextualizer, cursor, rows))
    const { cursor, memory } = this
    const denoiser = new Denoiser(gpu, kernels, parts.denoiser, cursor, Math.min(initialRows, capacity))
    const tables = (timesteps: readonly number[]) => modulationTables(gpu, kernels, modulation, timesteps)
    this.#parts = parts
    this.#denoiser = denoiser
    this.#sampler = new Sampler(gpu, { denoiser, ddimStep, cursor, memory, tables, scheduler, schedule })
    parts.users++
  }

  fork(): TwoTower {
    return new TwoTower(this.#parts)
  }

  async batch(documents: number, room: number): Promise<TwoTowerBatch> {
    const { TwoTowerBatch } = await import('./two-tower-batch')
    return new TwoTowerBatch(this.#parts, documents, room)
  }

  forward(
    concepts: Float32Array,
    rows: readonly { noisy: Float32Array; timestep: number; visible: number }[],
  ): Promise<{ context: Float32Array[]; embeddings: Float32Array; predictions: Float32Array[] }> {
    return this.alone(async () => {
      const { gpu, kernels, modulation } = this.#parts
      const context: Float32Array[] = []
      for (let start = 0; start < concepts.length; start += this.dim) {
        await this.memory.append(concepts.subarray(start, start + this.dim))
        this.memory.flush()
        context.push(await gpu.read(this.reader.output, 0, this.reader.output.shape[1]))
      }
      const timesteps = rows.map(({ timestep }) => timestep)
      const tables = modulationTables(gpu, kernels, modulation, timesteps)
      const program = gpu.program('denoiser')
      this.#denoiser.recordStep(program, 1, tables)
      const predictions: Float32Array[] = []
      for (const [step, { noisy, visible }] of rows.entries()) {
        gpu.write(this.#denoiser.latent, noisy)
        writeCursor(gpu, this.cursor, { position: 0, contextLength: visible + 1, step })
        gpu.submit([program])
        predictions.push(await gpu.read(this.#denoiser.prediction, 0, this.dim))
      }
      const embedding = timestepEmbedding(gpu, kernels, modulation, timesteps)
      const embeddings = await gpu.read(embedding)
      for (const tensor of [embedding, ...tables]) tensor.destroy()
      return { context, embeddings, predictions }
    })
  }

  override dispose(): void {
    super.dispose()
    this.#denoiser.destroy()
    this.#sampler.destroy()
    if (--this.#parts.users === 0) this.#parts.weights.destroy()
  }

  protected override predictNormalized(options: PredictOptions): Promise<Float32Array> {
    return this.#sampler.sample({ ...options, noise: [options.noise] })
  }

  protected override get columns(): StateColumn[] {
    return [...super.columns, ...this.#denoiser.columns]
  }

  protected override recordContext(program: Program, rows: number): void {
    this.#denoiser.recordContext(program, this.reader.output, rows)
  }

  protected override grow(rows: number): void {
    this.#denoiser.grow(rows)
  }
}
