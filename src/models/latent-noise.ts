import { InvalidInput } from '../errors'
import type { NoiseSource, SamplingOptions } from './concept-model'

const maximumTemperature = 1000

/** A normalised prediction [dim] with the temperature's noise (reference/lcm.md §2). @throws InvalidInput for a temperature out of range. */
export function sampled(prediction: Float32Array, noise: NoiseSource, sampling?: SamplingOptions): Float32Array {
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
