import { InvalidInput } from '../errors'
import type { DdimCoefficients } from '../ops'
import type { DiffusionOptions } from './concept-model'
import { inferenceTimesteps, type NoiseSchedule, type SchedulerConfig, type TimestepVisit } from './schedule'

/** Sampling options with the reference's defaults for what was left out. */
export type ResolvedOptions = DiffusionOptions & Required<Omit<DiffusionOptions, 'clipEstimate' | 'dynamicThreshold'>>

/** A step of the denoising loop: the noise level it starts from, and the schedule's numbers there. */
export interface DenoisingTerms extends DdimCoefficients {
  timestep: number
}

export function resolveSampling(options: DiffusionOptions, config: SchedulerConfig): ResolvedOptions {
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

/** The steps of the denoising loop (reference/lcm.md §4). @throws InvalidInput for options that are out of range or do not fit the schedule. */
export function denoisingSteps(
  options: ResolvedOptions,
  { scheduler, schedule }: { scheduler: SchedulerConfig; schedule: NoiseSchedule },
): DenoisingTerms[] {
  check(options)
  return inferenceTimesteps(scheduler, options.steps, options.timesteps).map((visit) => terms(visit, options, scheduler, schedule))
}

/** Noise [dim] of N(0, 1) as the loop starts from it. */
export function initialLatent(noise: Float32Array, { initialNoiseScale, clipNoise }: ResolvedOptions): Float32Array {
  return noise.map((value) => Math.min(Math.max(Math.fround(value * Math.fround(initialNoiseScale)), -clipNoise), clipNoise))
}

/** Of one step. At pure noise the reference does not guide, so that step needs no unconditional half. */
function terms(
  { timestep, previous }: TimestepVisit,
  { guidanceScale, eta }: ResolvedOptions,
  { num_diffusion_train_steps: trainSteps, prediction_type: predictionType, set_alpha_to_one }: SchedulerConfig,
  { alphasCumprod }: NoiseSchedule,
): DenoisingTerms {
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
  return { timestep, alpha, alphaPrevious, sigma: eta * Math.sqrt(variance), guided }
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
  if (options.clipEstimate !== undefined && options.dynamicThreshold) {
    throw new InvalidInput('clipEstimate and dynamicThreshold exclude each other.')
  }
}
