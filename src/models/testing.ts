import type { SamplingOptions } from './concept-model'
import type { SchedulerConfig } from './schedule'

/** Every option of a diffusion model at a value of its own. */
export const guidedSampling: SamplingOptions = {
  steps: 5,
  guidanceScale: 2.5,
  guidanceRescale: 0.6,
  epsilonScaling: 1.01,
  initialNoiseScale: 0.7,
}

/** Ways to draw a concept that a diffusion model is compared in. */
export const samplingCases: [string, SamplingOptions, Partial<SchedulerConfig>][] = [
  ['without guidance (conditional row alone)', { steps: 10 }, {}],
  ['with guidance: unconditional row as a constant, first step without it', guidedSampling, {}],
  ['in the reference’s stride where it does not divide T', { steps: 7, guidanceScale: 3 }, {}],
  ['in the paper’s timesteps', { steps: 7, guidanceScale: 3, timesteps: 'paper' }, {}],
  ['with fresh noise at every step', { ...guidedSampling, eta: 0.8 }, {}],
  ['with a model of velocity', { steps: 6, guidanceScale: 2 }, { prediction_type: 'v_prediction' }],
  ['with a model of noise', { steps: 6, guidanceScale: 2 }, { prediction_type: 'epsilon', rescale_betas_zero_snr: false }],
  ['with a model of noise that never starts from pure noise', { steps: 6 }, { prediction_type: 'epsilon', timestep_spacing: 'leading' }],
  ['with estimates clipped', { ...guidedSampling, clipEstimate: 0.5 }, {}],
  ['with dynamic thresholds', { ...guidedSampling, dynamicThreshold: { ratio: 0.7, maximum: 1.3 } }, {}],
  ['with latents clipped', { ...guidedSampling, clipNoise: 0.6 }, {}],
  ['with a sigmoid schedule', { steps: 6, guidanceScale: 2 }, { beta_schedule: 'sigmoid', sigmoid_schedule_beta: -1 }],
  ['in linspace spacing that ends on the least noisy level', { steps: 4 }, { timestep_spacing: 'linspace', set_alpha_to_one: false }],
]
