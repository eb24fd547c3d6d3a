import { InvalidInput, throwIfAborted } from '../errors'
import type { PredictOptions } from './concept-model'

const maximumTemperature = 1000

/**
 * What a Base-LCM predicts, normalised [dim], with the noise of the temperature added (reference/lcm.md §2).
 *
 * @param predict gives the prediction itself
 * @throws InvalidInput for a temperature out of range, Aborted.
 */
export async function sampledPrediction(
  predict: () => Promise<Float32Array>,
  { noise, sampling: { temperature = 0 } = {}, signal }: PredictOptions,
): Promise<Float32Array> {
  if (!(temperature >= 0 && temperature <= maximumTemperature)) {
    throw new InvalidInput(`temperature must be from 0 to ${maximumTemperature}, not ${temperature}.`, {
      name: 'temperature',
      value: temperature,
    })
  }
  throwIfAborted(signal)
  const prediction = await predict()
  throwIfAborted(signal)
  if (temperature === 0) return prediction
  const draws = noise(prediction.length)
  // Rounded where torch rounds: the factor, the product, the sum.
  return prediction.map((value, i) => value + Math.fround(draws[i]! * Math.fround(temperature)))
}
