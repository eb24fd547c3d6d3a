import { throwIfAborted } from '../../errors'
import { nextTask } from '../../onnx'
import { ddimStepReference } from '../../ops/ddim-step/reference'
import type { PredictOptions } from '../concept-model'
import { denoisingSteps, initialLatent, resolveSampling } from '../denoising-steps'
import type { NoiseSchedule, SchedulerConfig } from '../schedule'

export interface DenoisingParts {
  /** Numbers in a concept. */
  dim: number
  scheduler: SchedulerConfig
  schedule: NoiseSchedule
  /** Makes the network ready for these timesteps. */
  network: (timesteps: readonly number[]) => Promise<DenoisingPass>
}

/** A pass of the network at a step: noisy concept [dim] → predictions [1, dim] or, where guided, [2, dim], the second one unconditional. */
export type DenoisingPass = (latent: Float32Array, step: number, guided: boolean) => Promise<Float32Array>

/**
 * The denoising loop of a diffusion model on the processor (reference/lcm.md §4): the normalised concept [dim]. What lies between two passes of the
 * network is so little that the plain f64 form, which defines it, computes it.
 *
 * @throws InvalidInput, Aborted after the step that runs.
 */
export async function denoise(
  { noise, sampling = {}, signal, onStep, onTrajectory }: PredictOptions,
  { dim, scheduler, schedule, network }: DenoisingParts,
): Promise<Float32Array> {
  const options = resolveSampling(sampling, scheduler)
  const steps = denoisingSteps(options, { scheduler, schedule })
  const pass = await network(steps.map(({ timestep }) => timestep))
  let latent = initialLatent(noise(dim), options)
  let estimate = latent
  const estimates = new Float32Array(steps.length * dim)
  for (const [index, terms] of steps.entries()) {
    throwIfAborted(signal)
    const prediction = await pass(latent, index, terms.guided)
    const next = ddimStepReference({
      ...options,
      ...terms,
      predictionType: scheduler.prediction_type,
      clipSampleRange: options.clipEstimate,
      latent,
      conditional: prediction.subarray(0, dim),
      unconditional: prediction.subarray(dim),
      noise: options.eta > 0 ? noise(dim) : undefined,
    })
    estimate = Float32Array.from(next.estimate)
    estimates.set(estimate, index * dim)
    latent = Float32Array.from(next.latent)
    await nextTask()
    onStep?.({ timestep: terms.timestep, estimate, latent })
  }
  throwIfAborted(signal)
  onTrajectory?.(estimates)
  return estimate
}
