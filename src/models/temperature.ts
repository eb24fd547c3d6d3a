import { InvalidInput, throwIfAborted } from '../errors'
import type { NoiseSource, PredictOptions, SamplingOptions } from './concept-model'

const maximumTemperature = 1000

/**
 * What a Base-LCM predicts, normalised [dim], with the noise of the temperature added (reference/lcm.md §2).
 *
 * @param predict gives the prediction itself
 * @throws InvalidInput for a temperature out of range, Aborted.
 */
export async function sampledPrediction(
  predict: () => Promise<Float32Array>,
  { noise, sampling, signal }: PredictOptions,
): Promise<Float32Array> {
  requireTemperature(sampling)
  throwIfAborted(signal)
  const prediction = await predict()
  throwIfAborted(signal)
  return withNoise(prediction, noise, sampling)
}

/** A prediction [dim] with the noise of the temperature; none is drawn at 0. @throws InvalidInput for a temperature out of range. */
export function withNoise(prediction: Float32Array, noise: NoiseSource, sampling?: SamplingOptions): Float32Array {
  const temperature = requireTemperature(sampling)
  if (temperature === 0) return prediction
  const draws = noise(prediction.length)
  // Rounded where torch rounds: the factor, the product, the sum.
  return prediction.map((value, i) => value + Math.fround(draws[i]! * Math.fround(temperature)))
}

/** The temperature, 0 by default. @throws InvalidInput when it is out of range. */
export function requireTemperature({ temperature = 0 }: SamplingOptions = {}): number {
  if (temperature >= 0 && temperature <= maximumTemperature) return temperature
  throw new InvalidInput(`temperature must be from 0 to ${maximumTemperature}, not ${temperature}.`, {
    name: 'temperature',
    value: temperature,
  })
}
