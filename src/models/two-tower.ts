import { InvalidInput, ModelFormatError } from '../errors'
import type { TensorSource } from '../formats/safetensors'
import type { Gpu, Tensor } from '../gpu'
import { createCursor, type DdimStep, loadDdimStep, writeCursor } from '../ops'
import type { ConceptModel, PredictOptions } from './concept-model'
import { ContextMemory, initialRows } from './context-memory'
import { Contextualizer, type ContextualizerWeights, loadContextualizer } from './contextualizer'
import { Denoiser, type DenoiserWeights, loadDenoiser } from './denoiser'
import { type Kernels, loadKernels } from './kernels'
import { loadModulation, type ModulationWeights, modulationTables, timestepEmbedding } from './modulation'
import { Normalizer } from './normalizer'
import { Sampler } from './sampler'
import { type SchedulerConfig, schedulerDefaults } from './schedule'
import { ModelWeights } from './weights'

/** The sizes of a Two-Tower model, under the reference's names. */
export interface TwoTowerArchitecture {
  sonar_dim: number
  model_dim: number
  heads: number
  context_layers: number
  denoiser_layers: number
  ffn_inner: number
  /** Most concepts in a document. */
  max_seq_len: number
}

/** What all memories of one model have in common. */
interface Shared {
  gpu: Gpu
  kernels: Kernels
  ddimStep: DdimStep
  weights: ModelWeights
  normalizer: Normalizer
  contextualizer: ContextualizerWeights
  denoiser: DenoiserWeights
  modulation: ModulationWeights
  capacity: number
  scheduler: SchedulerConfig
  /** Memories that use it. */
  users: number
}

/**
 * The Two-Tower diffusion concept model (reference/lcm.md §3): a contextualizer reads the document once, a denoiser that attends to its output
 * turns noise into the next concept.
 */
export class TwoTower implements ConceptModel {
  readonly dim: number
  readonly #shared: Shared
  readonly #cursor: Tensor
  readonly #contextualizer: Contextualizer
  readonly #denoiser: Denoiser
  readonly #memory: ContextMemory
  readonly #sampler: Sampler
  #busy = false

  /**
   * Uploads the weights and compiles the kernels.
   * @param source tensors under the reference's names; query and key projections of the denoiser's self-attention need not be there
   * Throws `ModelFormatError` for a tensor that is missing or has another shape, `InvalidInput` for a schedule that does not exist, `KernelError`.
   */
  static async load(
    gpu: Gpu,
    source: TensorSource,
    architecture: TwoTowerArchitecture,
    scheduler: Partial<SchedulerConfig> = {},
  ): Promise<TwoTower> {
    requireSizes(architecture)
    const { sonar_dim: sonarDim, model_dim: modelDim, heads, ffn_inner: ffnInner, max_seq_len: capacity } = architecture
    const sizes = { sonarDim, modelDim, heads, ffnInner }
    const weights = new ModelWeights(gpu, source)
    try {
      const names = { preLinear: 'encoder_frontend.pre_linear', stack: 'context_encoder' }
      const contextualizer = loadContextualizer(weights, names, { ...sizes, layers: architecture.context_layers })
      const denoiser = loadDenoiser(weights, { ...sizes, layers: architecture.denoiser_layers })
      const modulation = loadModulation(weights, denoiser.architecture)
      const center = weights.values('sonar_normalizer.center', sonarDim)
      const normalizer = new Normalizer(center, weights.values('sonar_normalizer.scale', sonarDim))
      const [kernels, ddimStep] = await Promise.all([
        loadKernels(gpu, weights.matrixTypes, { headDim: modelDim / heads, positions: capacity }),
        loadDdimStep(gpu),
      ])
      return new TwoTower({
        gpu,
        kernels,
        ddimStep,
        weights,
        normalizer,
        contextualizer,
        denoiser,
        modulation,
        capacity,
        scheduler: { ...schedulerDefaults, ...scheduler },
        users: 0,
      })
    } catch (error) {
      weights.destroy()
      throw error
    }
  }

  private constructor(shared: Shared) {
    const { gpu, kernels, ddimStep, capacity, normalizer } = shared
    this.dim = normalizer.dim
    this.#shared = shared
    this.#cursor = createCursor(gpu)
    const cursor = this.#cursor
    const rows = Math.min(initialRows, capacity)
    const contextualizer = new Contextualizer(gpu, kernels, shared.contextualizer, cursor, rows)
    const denoiser = new Denoiser(gpu, kernels, shared.denoiser, cursor, rows)
    this.#contextualizer = contextualizer
    this.#denoiser = denoiser
    this.#memory = new ContextMemory(
      gpu,
      {
        input: contextualizer.input,
        cursor,
        record: (program, rows) => {
          contextualizer.record(program, rows)
          denoiser.recordContext(program, contextualizer.output, rows)
        },
        grow: (rows) => {
          contextualizer.grow(rows)
          denoiser.grow(rows)
        },
      },
      { capacity, dim: this.dim },
    )
    const modulation = (timesteps: readonly number[]) => modulationTables(gpu, kernels, shared.modulation, timesteps)
    this.#sampler = new Sampler(gpu, { denoiser, ddimStep, cursor, memory: this.#memory, modulation }, shared.scheduler)
    shared.users++
  }

  get capacity(): number {
    return this.#memory.capacity
  }

  get length(): number {
    return this.#memory.length
  }

  append(concepts: Float32Array, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#alone(() => this.#memory.append(this.#shared.normalizer.normalize(concepts), signal))
  }

  predict(options: PredictOptions): Promise<Float32Array> {
    return this.#alone(async () => {
      if (this.length === 0) throw new InvalidInput('There is nothing to continue: append a concept first.')
      return this.#shared.normalizer.denormalize(await this.#sampler.sample(options))
    })
  }

  truncate(length: number): void {
    this.#memory.truncate(length)
  }

  fork(): TwoTower {
    return new TwoTower(this.#shared)
  }

  /**
   * A pass as in training, for parity checks: row by row, the denoiser's output for a noisy concept at a timestep with the first
   * `visible` concepts of the memory in view.
   *
   * @param concepts raw [n, dim], appended to the memory
   * @param rows noisy concepts, normalised [dim] each
   */
  forward(
    concepts: Float32Array,
    rows: readonly { noisy: Float32Array; timestep: number; visible: number }[],
  ): Promise<{ context: Float32Array[]; embeddings: Float32Array; predictions: Float32Array[] }> {
    return this.#alone(async () => {
      const { gpu, kernels, modulation, normalizer } = this.#shared
      const context: Float32Array[] = []
      for (let start = 0; start < concepts.length; start += this.dim) {
        await this.#memory.append(normalizer.normalize(concepts.subarray(start, start + this.dim)))
        this.#memory.flush()
        context.push(await gpu.read(this.#contextualizer.output, 0, this.#shared.contextualizer.architecture.modelDim))
      }
      const timesteps = rows.map(({ timestep }) => timestep)
      const tables = modulationTables(gpu, kernels, modulation, timesteps)
      const program = gpu.program('denoiser')
      this.#denoiser.record(program, 1, tables)
      const predictions: Float32Array[] = []
      for (const [step, { noisy, visible }] of rows.entries()) {
        gpu.write(this.#denoiser.latent, noisy)
        writeCursor(gpu, this.#cursor, { position: 0, contextLength: visible + 1, step })
        gpu.submit([program])
        predictions.push(await gpu.read(this.#denoiser.prediction, 0, this.dim))
      }
      const embedding = timestepEmbedding(gpu, kernels, modulation, timesteps)
      const embeddings = await gpu.read(embedding)
      for (const tensor of [embedding, ...tables]) tensor.destroy()
      return { context, embeddings, predictions }
    })
  }

  dispose(): void {
    const { weights } = this.#shared
    for (const part of [this.#contextualizer, this.#denoiser, this.#sampler, this.#cursor]) part.destroy()
    if (--this.#shared.users === 0) weights.destroy()
  }

  /** Two calls at once would write over each other's latent. */
  async #alone<Value>(call: () => Promise<Value>): Promise<Value> {
    if (this.#busy) throw new InvalidInput('This memory is in use by an earlier call: wait for it, or fork the model.')
    this.#busy = true
    try {
      return await call()
    } finally {
      this.#busy = false
    }
  }
}

/** Throws `ModelFormatError` for sizes that no model has. */
function requireSizes(architecture: TwoTowerArchitecture): void {
  for (const [name, size] of Object.entries(architecture)) {
    if (!Number.isInteger(size) || size < 1) throw new ModelFormatError(`${name} must be a positive whole number, not ${size}.`, { name })
  }
  const { model_dim: modelDim, heads } = architecture
  if (modelDim % (2 * heads) !== 0) {
    throw new ModelFormatError(`model_dim ${modelDim} is no whole number of ${heads} heads with an even number of features each.`)
  }
}
