import { toFloat32 } from '../formats/float16'
import type { TensorSource } from '../formats/safetensors'
import { type DdimTerms, ddimStepReference } from '../ops/ddim-step/reference'
import type { DiffusionOptions, NoiseSource } from './concept-model'
import { inferenceTimesteps, noiseSchedule, type SchedulerConfig, schedulerDefaults } from './schedule'

/** A step of the denoising loop in the schedule's terms. */
export type ReferenceStep = Omit<DdimTerms, 'latent' | 'conditional' | 'unconditional'> & { timestep: number }

/** A diffusion concept model in f64. */
export interface DiffusionReference {
  /** The concept after normalised concepts [sonar_dim], normalised. */
  sample(concepts: readonly ArrayLike<number>[], initialLatent: ArrayLike<number>, steps: readonly ReferenceStep[]): Float64Array
}

/** The denoising loop (reference/lcm.md §4.3) with both halves of the guidance computed at every step: the last estimate, normalised. */
export function denoisingLoop(
  initialLatent: ArrayLike<number>,
  steps: readonly ReferenceStep[],
  predict: (latent: Float64Array, timestep: number) => { conditional: Float64Array; unconditional: Float64Array },
): Float64Array {
  let latent: Float64Array = Float64Array.from(initialLatent)
  let estimate = latent
  for (const { timestep, ...terms } of steps) ({ estimate, latent } = ddimStepReference({ ...terms, latent, ...predict(latent, timestep) }))
  return estimate
}

/**
 * What a model's plain form makes of raw concepts [n, dim]: raw [dim].
 *
 * @param source has the normalizer's tensors under the name `normalizer`
 */
export function expectedConcept(
  { reference, source, normalizer }: { reference: DiffusionReference; source: TensorSource; normalizer: string },
  raw: Float32Array,
  { noise, options, scheduler }: { noise: NoiseSource; options: DiffusionOptions; scheduler: Partial<SchedulerConfig> },
): Float64Array {
  const [center, scale] = ['center', 'scale'].map((name) => toFloat32(source.get(`${normalizer}.${name}`))) as [Float32Array, Float32Array]
  const dim = center.length
  const config = { ...schedulerDefaults, ...scheduler }
  const { alphasCumprod } = noiseSchedule(config)
  const { clipNoise = 100, eta = 0, guidanceScale = 1, guidanceRescale = 0, initialNoiseScale = 1, epsilonScaling = 1 } = options
  const initial = noise(dim).map((value) => Math.min(Math.max(value * initialNoiseScale, -clipNoise), clipNoise))
  const steps = inferenceTimesteps(config, options.steps!, options.timesteps ?? 'reference').map(({ timestep, previous }) => {
    const alpha = alphasCumprod[timestep]!
    const alphaPrevious = previous >= 0 ? alphasCumprod[previous]! : config.set_alpha_to_one ? 1 : alphasCumprod[0]!
    return {
      timestep,
      alpha,
      alphaPrevious,
      sigma: eta * Math.sqrt(((1 - alphaPrevious) / (1 - alpha)) * (1 - alpha / alphaPrevious)),
      guided: guidanceScale !== 1 && timestep !== config.num_diffusion_train_steps - 1,
      predictionType: config.prediction_type,
      guidanceScale,
      guidanceRescale,
      epsilonScaling,
      clipNoise,
      clipSampleRange: options.clipEstimate,
      dynamicThreshold: options.dynamicThreshold,
      noise: eta > 0 ? noise(dim) : undefined,
    }
  })
  const normalized = Array.from({ length: raw.length / dim }, (_, n) =>
    raw.slice(n * dim, (n + 1) * dim).map((value, i) => (value - center[i]!) / scale[i]!),
  )
  return reference.sample(normalized, initial, steps).map((value, i) => value * scale[i]! + center[i]!)
}
