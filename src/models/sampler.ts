import { throwIfAborted } from '../errors'
import type { Gpu, Program, Tensor } from '../gpu'
import { type DdimStep, packDdimCoefficients, writeCursor } from '../ops'
import type { NoiseSource, PredictOptions } from './concept-model'
import { type DenoisingTerms, denoisingSteps, initialLatent, type ResolvedOptions, resolveSampling } from './denoising-steps'
import { Pacer } from './pacer'
import type { NoiseSchedule, SchedulerConfig } from './schedule'

/** A recorded way from noise to a concept: one program per step, mostly the same one. */
interface Plan {
  /** Says for what options, and for which size of the caches, the programs were recorded. */
  key: string
  steps: DenoisingTerms[]
  programs: Program[]
  coefficients: Tensor
  /** [steps, documents · dim]: the clean concepts as each step sees them. */
  estimates: Tensor
  /** [steps, documents · dim], where η > 0. */
  noise: Tensor | undefined
}

/** What turns a noisy concept into a cleaner one. */
export interface DenoisingNetwork {
  /** The noisy normalised concepts, one a document, [documents, dim]. */
  readonly latent: Tensor
  /** [2 · documents, dim]: rows with their document in view, then as many (unconditional) ones without. */
  readonly prediction: Tensor
  /**
   * Records one pass at step `cursor.step`: `latent` → `prediction`, after the `cursor.position + 1` concepts in memory.
   *
   * @param rowsEach 2 to compute the unconditional rows as well
   * @param tables what depends on the timestep alone, a row a step
   * @param documents how many concepts are denoised at once; more than 1 only where the memory has several documents
   */
  recordStep(program: Program, rowsEach: 1 | 2, tables: readonly Tensor[], documents: number): void
}

/** A document whose next concept is sampled. */
export interface SampledDocument {
  /** Concepts that it has. */
  length: number
  /** Where its rows begin in the caches. */
  base: number
}

/** The documents that concepts are sampled for, all at once. */
export interface SampledMemory {
  /** Changes when the caches do, which programs bind. */
  readonly room: number
  readonly documents: readonly SampledDocument[]
  /** What has to be computed first. */
  takePending(): Program[]
}

export interface SamplerParts {
  denoiser: DenoisingNetwork
  ddimStep: DdimStep
  cursor: Tensor
  memory: SampledMemory
  /** New tables of the denoiser for these timesteps. */
  tables: (timesteps: readonly number[]) => Tensor[]
  scheduler: SchedulerConfig
  schedule: NoiseSchedule
}

export interface SampleOptions extends Omit<PredictOptions, 'noise'> {
  noise: readonly NoiseSource[]
}

/** The denoising loop of a diffusion model: recorded once for given options, then replayed for every concept (reference/lcm.md §4). */
export class Sampler {
  readonly #gpu: Gpu
  readonly #parts: SamplerParts
  readonly #pacer = new Pacer()
  #plan: Plan | undefined
  /** Kept beside the plan: they depend on the timesteps alone. */
  #tables: { timesteps: string; tables: Tensor[] } = { timesteps: '', tables: [] }

  constructor(gpu: Gpu, parts: SamplerParts) {
    this.#gpu = gpu
    this.#parts = parts
  }

  /**
   * The normalised concepts [documents, dim] that follow those in memory. One submission and one read-back, unless the GPU is so slow that the
   * steps are spread over several submissions. @throws InvalidInput, Aborted, DeviceLost.
   * @param options.noise a source for each document of the memory; `onStep` and `onTrajectory` are for one document.
   */
  async sample({ noise, sampling = {}, signal, onStep, onTrajectory }: SampleOptions): Promise<Float32Array> {
    const { denoiser, memory, cursor } = this.#parts
    const options = resolveSampling(sampling, this.#parts.scheduler)
    const { documents } = memory
    const plan = this.#planFor(options, documents.length)
    const dim = denoiser.latent.shape[1]!
    for (const [row, { length, base }] of documents.entries()) {
      const draw = noise[row]!
      this.#gpu.write(denoiser.latent, initialLatent(draw(dim), options), row * dim)
      for (const step of plan.noise ? plan.steps.keys() : []) this.#gpu.write(plan.noise!, draw(dim), (step * documents.length + row) * dim)
      writeCursor(this.#gpu, cursor, { position: length - 1, contextLength: length + 1, step: 0, base }, row)
    }
    throwIfAborted(signal)

    let pending = memory.takePending()
    for (let step = 0; ; ) {
      const started = performance.now()
      const count = onStep ? 1 : this.#pacer.steps(plan.programs.length - step)
      this.#gpu.submit([...pending, ...plan.programs.slice(step, step + count)])
      pending = []
      step += count
      const finished = step === plan.programs.length
      const first = finished && onTrajectory ? 0 : step - 1
      const width = documents.length * dim
      const estimates =
        finished || onStep ? await this.#gpu.read(plan.estimates, first * width, (step - first) * width) : await this.#gpu.finished()
      this.#pacer.measured(count, performance.now() - started)
      throwIfAborted(signal)
      if (!estimates) continue
      const estimate = estimates.slice(-width)
      if (onStep) onStep({ timestep: plan.steps[step - 1]!.timestep, estimate, latent: await this.#gpu.read(denoiser.latent) })
      if (!finished) continue
      onTrajectory?.(estimates)
      return estimate
    }
  }

  destroy(): void {
    destroyPlan(this.#plan)
    for (const table of this.#tables.tables) table.destroy()
  }

  #planFor(options: ResolvedOptions, documents: number): Plan {
    const key = JSON.stringify([options, this.#parts.memory.room, documents])
    if (this.#plan?.key !== key) {
      destroyPlan(this.#plan)
      this.#plan = undefined
      this.#plan = this.#record(options, documents, key)
    }
    return this.#plan
  }

  /** @throws InvalidInput for options out of range, before anything is made. */
  #record(options: ResolvedOptions, documents: number, key: string): Plan {
    const { denoiser, ddimStep, cursor } = this.#parts
    const steps = denoisingSteps(options, this.#parts)
    const gpu = this.#gpu
    const coefficients = gpu.tensor('coefficients', [steps.length, 8], { data: packDdimCoefficients(steps) })
    const width = documents * denoiser.latent.shape[1]!
    const noise = options.eta > 0 ? gpu.tensor('noise', [steps.length, width]) : undefined
    const estimates = gpu.tensor('estimates', [steps.length, width])
    const tables = this.#tablesFor(steps.map(({ timestep }) => timestep))
    const record = (guided: boolean) => {
      const program = gpu.program(guided ? 'guided denoising step' : 'denoising step')
      denoiser.recordStep(program, guided ? 2 : 1, tables, documents)
      const { prediction, latent } = denoiser
      const { guidanceScale, guidanceRescale, epsilonScaling, clipNoise, clipEstimate, dynamicThreshold } = options
      ddimStep.record(program, {
        rows: documents,
        prediction,
        latent,
        estimate: estimates,
        coefficients,
        noise,
        cursor,
        predictionType: this.#parts.scheduler.prediction_type,
        guided,
        guidanceScale,
        guidanceRescale,
        epsilonScaling,
        clipNoise,
        clipSampleRange: clipEstimate,
        dynamicThreshold,
      })
      return program
    }
    const programs = new Map([...new Set(steps.map(({ guided }) => guided))].map((guided) => [guided, record(guided)]))
    return { key, steps, coefficients, noise, estimates, programs: steps.map(({ guided }) => programs.get(guided)!) }
  }

  #tablesFor(timesteps: number[]): Tensor[] {
    const key = timesteps.join()
    if (this.#tables.timesteps !== key) {
      for (const table of this.#tables.tables) table.destroy()
      this.#tables = { timesteps: '', tables: [] }
      this.#tables = { timesteps: key, tables: this.#parts.tables(timesteps) }
    }
    return this.#tables.tables
  }
}

function destroyPlan(plan: Plan | undefined): void {
  plan?.coefficients.destroy()
  plan?.noise?.destroy()
  plan?.estimates.destroy()
}
