import { beforeAll, expect, test } from 'vitest'
import { Aborted, InvalidInput, ModelFormatError } from '../errors'
import { toFloat32 } from '../formats/float16'
import { type Gpu, requestGpu } from '../gpu'
import { worstOffender } from '../ops/compare'
import { BaseLcm } from './base-lcm'
import { generate, seededNoise } from './generate'
import { loadBaseLcm } from './machine'
import { Normalizer } from './normalizer'
import { Random } from './random'
import { RandomWeights } from './random-weights'
import { BaseLcmReference } from './reference'
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

test.each(['webgpu', 'wasm'] as const)(
  'the prediction on %s is that of the plain form in f64, with the noise of the temperature added in normalised space',
  async (backend) => {
    for (const sizes of [architecture, { sonar_dim: 23, model_dim: 36, heads: 3, layers: 3, ffn_inner: 53, max_seq_len: 20 }]) {
      const source = new RandomWeights(baseLcmShapes(sizes))
      const dim = sizes.sonar_dim
      const values = (name: string) => toFloat32(source.get(`frontend.sonar_normalizer.${name}`))
      const normalizer = new Normalizer(values('center'), values('scale'))
      const model = await loadBaseLcm(backend === 'wasm' ? backend : gpu, source, sizes)
      const reference = new BaseLcmReference(source, sizes)
      const concepts = new Random(4, 0).gaussians(9 * dim)
      const normalized = normalizer.normalize(concepts)
      const rows = Array.from({ length: 9 }, (_, n) => normalized.subarray(n * dim, (n + 1) * dim))
      await model.append(concepts)
      const noise = seededNoise(5)(9)
      const draws = seededNoise(5)(9)(dim)
      const plain = await model.predict({ noise: () => expect.fail('nothing is drawn without a temperature') })
      const sampled = await model.predict({ noise, sampling: { temperature: 0.7 } })
      for (const [got, temperature] of [
        [plain, 0],
        [sampled, 0.7],
      ] as const) {
        const want = reference.predict(rows, draws, temperature)
        expect(worstOffender(normalizer.normalize(got), want).relative).toBeLessThan(2e-5)
      }
      model.dispose()
    }
  },
)

test('a temperature gives the same text for the same seed, another for another, and is checked', async () => {
  const model = await BaseLcm.load(gpu, new RandomWeights(baseLcmShapes(architecture)), architecture)
  const go = async (seed: number, temperature?: number) => {
    model.truncate(0)
    const concepts: number[][] = []
    const options = { noise: seededNoise(seed), maxConcepts: 3, ...(temperature !== undefined && { sampling: { temperature } }) }
    for await (const { concept } of generate(model, document.subarray(0, 36), options)) concepts.push([...concept])
    return concepts
  }
  const sampled = await go(1, 0.5)
  expect(await go(1, 0.5)).toEqual(sampled)
  for (const [index, concept] of (await go(2, 0.5)).entries()) expect(concept).not.toEqual(sampled[index])
  expect(await go(1, 0)).toEqual(await go(2))
  for (const temperature of [-0.1, 1001, Number.NaN]) {
    const predicted = model.predict({ noise: seededNoise(1)(0), sampling: { temperature } })
    await expect(predicted).rejects.toThrow(InvalidInput)
  }
  const aborted = model.predict({ noise: seededNoise(1)(0), signal: AbortSignal.abort() })
  await expect(aborted).rejects.toThrow(Aborted)
  model.dispose()
})
