import { InvalidInput, throwIfAborted } from '../errors'
import type { Gpu, Program, Tensor } from '../gpu'
import { type DdimCoefficients, type DdimStep, packDdimCoefficients, writeCursor } from '../ops'
import type { DiffusionOptions, PredictOptions } from './concept-model'
import type { ContextMemory } from './context-memory'
import { Pacer } from './pacer'
import { inferenceTimesteps, type NoiseSchedule, type SchedulerConfig, type TimestepVisit } from './schedule'

/** A recorded way from noise to a concept: one program per step, mostly the same one. */
interface Plan {
  /** Says for what options, and for which size of the caches, the programs were recorded. */
  key: string
  visits: TimestepVisit[]
  programs: Program[]
  coefficients: Tensor
  /** [steps, dim]: the clean concept as each step sees it. */
  estimates: Tensor
  /** [steps, dim], where η > 0. */
  noise: Tensor | undefined
}

/** What turns a noisy concept into a cleaner one. */
export interface DenoisingNetwork {
  /** The noisy normalised concept, [1, dim]. */
  readonly latent: Tensor
  /** [2, dim]: row 0 with the document in view, row 1 (unconditional) without. */
  readonly prediction: Tensor
  /**
   * Records one pass at step `cursor.step`: `latent` → `prediction`, after the `cursor.position + 1` concepts in memory.
   *
   * @param rows 2 to compute the unconditional row as well
   * @param tables what depends on the timestep alone, a row a step
   */
  recordStep(program: Program, rows: 1 | 2, tables: readonly Tensor[]): void
}

export interface SamplerParts {
  denoiser: DenoisingNetwork
  ddimStep: DdimStep
  cursor: Tensor
  memory: ContextMemory
  /** New tables of the denoiser for these timesteps. */
  tables: (timesteps: readonly number[]) => Tensor[]
  scheduler: SchedulerConfig
  schedule: NoiseSchedule
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
   * The normalised concept [dim] that follows those in memory. One submission and one read-back, unless the GPU is so slow that the steps are
   * spread over several submissions. @throws InvalidInput, Aborted, DeviceLost.
   */
  async sample({ noise, sampling = {}, signal, onStep, onTrajectory }: PredictOptions): Promise<Float32Array> {
    const { denoiser, memory, cursor } = this.#parts
    const options = resolve(sampling, this.#parts.scheduler)
    const plan = this.#planFor(options)
    const dim = denoiser.latent.size
    this.#gpu.write(denoiser.latent, initialLatent(noise(dim), options))
    for (const step of plan.noise ? plan.visits.keys() : []) this.#gpu.write(plan.noise!, noise(dim), step * dim)
    writeCursor(this.#gpu, cursor, { position: memory.length - 1, contextLength: memory.length + 1, step: 0 })
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
      const estimates =
        finished || onStep ? await this.#gpu.read(plan.estimates, first * dim, (step - first) * dim) : await this.#gpu.finished()
      this.#pacer.measured(count, performance.now() - started)
      throwIfAborted(signal)
      if (!estimates) continue
      const estimate = estimates.slice(-dim)
      if (onStep) onStep({ timestep: plan.visits[step - 1]!.timestep, estimate, latent: await this.#gpu.read(denoiser.latent) })
      if (!finished) continue
      onTrajectory?.(estimates)
      return estimate
    }
  }

  destroy(): void {
    destroyPlan(this.#plan)
    for (const table of this.#tables.tables) table.destroy()
  }

  #planFor(options: ResolvedOptions): Plan {
    const key = JSON.stringify([options, this.#parts.memory.room])
    if (this.#plan?.key !== key) {
      destroyPlan(this.#plan)
      this.#plan = undefined
      this.#plan = this.#record(options, key)
    }
    return this.#plan
  }

  /** @throws InvalidInput for options out of range, before anything is made. */
  #record(options: ResolvedOptions, key: string): Plan {
    check(options)
    const { denoiser, ddimStep, cursor } = this.#parts
    const visits = inferenceTimesteps(this.#parts.scheduler, options.steps, options.timesteps)
    const steps = visits.map((visit) => this.#coefficients(visit, options))
    const gpu = this.#gpu
    const coefficients = gpu.tensor('coefficients', [steps.length, 8], { data: packDdimCoefficients(steps) })
    const noise = options.eta > 0 ? gpu.tensor('noise', [steps.length, denoiser.latent.size]) : undefined
    const estimates = gpu.tensor('estimates', [steps.length, denoiser.latent.size])
    const tables = this.#tablesFor(visits.map(({ timestep }) => timestep))
    const record = (guided: boolean) => {
      const program = gpu.program(guided ? 'guided denoising step' : 'denoising step')
      denoiser.recordStep(program, guided ? 2 : 1, tables)
      const { prediction, latent } = denoiser
      const { guidanceScale, guidanceRescale, epsilonScaling, clipNoise, clipEstimate, dynamicThreshold } = options
      ddimStep.record(program, {
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
    return { key, visits, coefficients, noise, estimates, programs: steps.map(({ guided }) => programs.get(guided)!) }
  }

  #tablesFor(timesteps: number[]): Tensor[] {
    const key = timesteps.join()
    if (this.#tables.timesteps !== key) {
      for (const table of this.#tables.tables) table.destroy()
      this.#tables = { timesteps: key, tables: this.#parts.tables(timesteps) }
    }
    return this.#tables.tables
  }

  /** Of one step. At pure noise the reference does not guide, so that step needs no unconditional half. */
  #coefficients({ timestep, previous }: TimestepVisit, { guidanceScale, eta }: ResolvedOptions): DdimCoefficients {
    const { num_diffusion_train_steps: trainSteps, prediction_type: predictionType, set_alpha_to_one } = this.#parts.scheduler
    const { alphasCumprod } = this.#parts.schedule
    const alpha = alphasCumprod[timestep]!
    const alphaPrevious = previous < 0 && set_alpha_to_one ? 1 : alphasCumprod[Math.max(previous, 0)]!
    const guided = guidanceScale !== 1 && timestep !== trainSteps - 1
    if (alpha === 0 && predictionType === 'epsilon') {
      throw new InvalidInput(
        `A model that predicts noise cannot start from timestep ${timestep}, where nothing but noise is left: use another timestep_spacing or switch rescale_betas_zero_snr off.`,
      )
    }
    if (alpha === 1 && guided) {
      throw new InvalidInput(
        `There is no noise to guide at timestep ${timestep} of this schedule: use another number of steps or no guidance.`,
      )
    }
    const variance = eta === 0 || alpha === 1 ? 0 : ((1 - alphaPrevious) / (1 - alpha)) * (1 - alpha / alphaPrevious)
    return { alpha, alphaPrevious, sigma: eta * Math.sqrt(variance), guided }
  }
}

type ResolvedOptions = DiffusionOptions & Required<Omit<DiffusionOptions, 'clipEstimate' | 'dynamicThreshold'>>

function resolve(options: DiffusionOptions, config: SchedulerConfig): ResolvedOptions {
  return {
    ...options,
    steps: options.steps ?? config.num_diffusion_train_steps,
    timesteps: options.timesteps ?? 'reference',
    guidanceScale: options.guidanceScale ?? 1,
    guidanceRescale: options.guidanceRescale ?? 0,
    initialNoiseScale: options.initialNoiseScale ?? 1,
    epsilonScaling: options.epsilonScaling ?? 1,
    eta: options.eta ?? 0,
    clipNoise: options.clipNoise ?? 100,
  }
}

function initialLatent(noise: Float32Array, { initialNoiseScale, clipNoise }: ResolvedOptions): Float32Array {
  return noise.map((value) => Math.min(Math.max(Math.fround(value * Math.fround(initialNoiseScale)), -clipNoise), clipNoise))
}

function check(options: ResolvedOptions): void {
  const ranges: Record<string, [value: number | undefined, minimum: number, maximum: number]> = {
    guidanceScale: [options.guidanceScale, 0, 1000],
    guidanceRescale: [options.guidanceRescale, 0, 1],
    initialNoiseScale: [options.initialNoiseScale, 0, 1000],
    epsilonScaling: [options.epsilonScaling, 0.01, 100],
    eta: [options.eta, 0, 1],
    clipNoise: [options.clipNoise, 0, 1e9],
    clipEstimate: [options.clipEstimate, 0, 1e9],
    'dynamicThreshold.ratio': [options.dynamicThreshold?.ratio, 0, 1],
    'dynamicThreshold.maximum': [options.dynamicThreshold?.maximum, 1, 1e9],
  }
  for (const [name, [value, minimum, maximum]] of Object.entries(ranges)) {
    if (value !== undefined && !(value >= minimum && value <= maximum)) {
      throw new InvalidInput(`${name} must be from ${minimum} to ${maximum}, not ${value}.`, { name, value })
    }
  }
}

function destroyPlan(plan: Plan | undefined): void {
  plan?.coefficients.destroy()
  plan?.noise?.destroy()
  plan?.estimates.destroy()
}
