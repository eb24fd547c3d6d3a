import { beforeAll, expect, test } from 'vitest'
import { InvalidInput, ModelFormatError } from '../errors'
import { type Gpu, requestGpu } from '../gpu'
import { BaseLcm } from './base-lcm'
import { Random } from './random'
import { RandomWeights } from './random-weights'
import { baseLcmShapes } from './shapes'

const architecture = { sonar_dim: 12, model_dim: 32, heads: 4, layers: 2, ffn_inner: 40, max_seq_len: 90 }
const document = new Random(1, 0).gaussians(80 * architecture.sonar_dim)
const predictOptions = { noise: (count: number) => new Float32Array(count) }

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})

test('the prediction depends on the concepts in memory alone, however they came there', async () => {
  const model = await BaseLcm.load(gpu, new RandomWeights(baseLcmShapes(architecture)), architecture)
  const fork = model.fork()
  await model.append(document)
  const predictions = [await model.predict(predictOptions)]
  for (let n = 79; n > 60; n--) {
    model.truncate(n)
    predictions.unshift(await model.predict(predictOptions))
  }
  expect(await model.predict(predictOptions)).toEqual(predictions[0])
  await fork.append(document.subarray(0, 60 * 12))
  for (const [i, expected] of predictions.entries()) {
    await fork.append(document.subarray((60 + i) * 12, (61 + i) * 12))
    expect(await fork.predict(predictOptions)).toEqual(expected)
  }
  model.truncate(0)
  await expect(model.predict(predictOptions)).rejects.toThrow(InvalidInput)
  model.dispose()
  fork.dispose()
})

test('a missing tensor is named', async () => {
  const source = new RandomWeights(baseLcmShapes(architecture))
  source.delete('postnet.fc.bias')
  await expect(BaseLcm.load(gpu, source, architecture)).rejects.toThrow(ModelFormatError)
  await expect(BaseLcm.load(gpu, source, architecture)).rejects.toThrow('postnet.fc.bias')
})
