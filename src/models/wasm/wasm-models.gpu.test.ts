import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { Aborted, ContextFull, InvalidInput, ModelFormatError } from '../../errors'
import { type Gpu, requestGpu } from '../../gpu'
import { worstOffender } from '../../ops/compare'
import type { ConceptModel, DenoisingStep, SamplingOptions } from '../concept-model'
import { expectedConcept } from '../diffusion-reference'
import { seededNoise } from '../generate'
import { loadBaseLcm, loadOneTower, loadTwoTower, type Machine } from '../machine'
import { OneTowerReference } from '../one-tower-reference'
import { Random } from '../random'
import { RandomWeights } from '../random-weights'
import { TwoTowerReference } from '../reference'
import type { SchedulerConfig } from '../schedule'
import { baseLcmShapes, oneTowerShapes, twoTowerShapes } from '../shapes'
import { guidedSampling, samplingCases } from '../testing'

const sizes = { sonar_dim: 16, model_dim: 32, heads: 4, ffn_inner: 64, max_seq_len: 90 }
const twoTower = { ...sizes, context_layers: 2, denoiser_layers: 2 }
const oneTower = { ...sizes, layers: 3, timestep_embed_dim: 8 }
const baseLcm = { ...sizes, layers: 2 }
/** Nothing is a multiple of anything, and the towers differ in depth. */
const odd = { sonar_dim: 23, model_dim: 36, heads: 3, context_layers: 1, denoiser_layers: 3, ffn_inner: 53, max_seq_len: 20 }

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})

/** n raw concepts. */
function concepts(n: number, dim = sizes.sonar_dim, seed = 3): Float32Array {
  return new Random(seed, 0).gaussians(n * dim)
}

function predict(model: ConceptModel, sampling: SamplingOptions = {}): Promise<Float32Array> {
  return model.predict({ noise: seededNoise(5)(9), sampling })
}

const twoTowerWeights = new RandomWeights(twoTowerShapes(twoTower))
const oneTowerWeights = new RandomWeights(oneTowerShapes(oneTower))
const diffusionModels = [
  {
    name: 'Two-Tower',
    load: (machine: Machine, scheduler: Partial<SchedulerConfig>) => loadTwoTower(machine, twoTowerWeights, twoTower, scheduler),
    plain: { reference: new TwoTowerReference(twoTowerWeights, twoTower), source: twoTowerWeights, normalizer: 'sonar_normalizer' },
  },
  {
    name: 'One-Tower',
    load: (machine: Machine, scheduler: Partial<SchedulerConfig>) => loadOneTower(machine, oneTowerWeights, oneTower, scheduler),
    plain: {
      reference: new OneTowerReference(oneTowerWeights, oneTower),
      source: oneTowerWeights,
      normalizer: 'frontend.sonar_normalizer',
    },
  },
]

describe.each(diffusionModels)('$name', ({ load, plain }) => {
  test.each(samplingCases)('a concept %s is that of the plain f64 model, and of the GPU', async (_, options, scheduler) => {
    const document = concepts(3)
    const [onProcessor, onGpu] = [await load('wasm', scheduler), await load(gpu, scheduler)]
    for (const model of [onProcessor, onGpu]) await model.append(document)
    const got = await predict(onProcessor, options)
    const want = expectedConcept(plain, document, { noise: seededNoise(5)(9), options, scheduler })
    expect(worstOffender(got, want).relative).toBeLessThan(2e-5)
    expect(worstOffender(got, await predict(onGpu, options)).relative).toBeLessThan(4e-5)
    for (const model of [onProcessor, onGpu]) model.dispose()
  })

  test('watching the steps changes nothing, and an abort ends the loop after the step that runs', async () => {
    const model = await load('wasm', {})
    await model.append(concepts(3))
    const undisturbed = await predict(model, guidedSampling)
    const steps: DenoisingStep[] = []
    const noise = seededNoise(5)(9)
    expect(await model.predict({ noise, sampling: guidedSampling, onStep: (step) => steps.push(step) })).toEqual(undisturbed)
    expect(steps.map(({ timestep }) => timestep)).toEqual([99, 79, 59, 39, 19])
    const controller = new AbortController()
    const seen: number[] = []
    const onStep = ({ timestep }: DenoisingStep) => {
      seen.push(timestep)
      if (timestep === 59) controller.abort()
    }
    const aborted = model.predict({ noise: seededNoise(5)(9), sampling: guidedSampling, signal: controller.signal, onStep })
    await expect(aborted).rejects.toThrow(Aborted)
    expect(seen).toEqual([99, 79, 59])
    expect(await predict(model, guidedSampling)).toEqual(undisturbed)
    for (const wrong of [
      { steps: 101 },
      { guidanceScale: Number.NaN },
      { eta: 2 },
      { clipEstimate: 1, dynamicThreshold: { ratio: 1, maximum: 1 } },
    ]) {
      await expect(predict(model, wrong)).rejects.toThrow(InvalidInput)
    }
    model.dispose()
    await expect(load('wasm', { num_diffusion_train_steps: 0 })).rejects.toThrow(InvalidInput)
  })
})

test.each([
  ['small', twoTower],
  ['odd', odd],
])('a training pass of the %s Two-Tower model: context, embeddings, predictions', async (_, architecture) => {
  const { sonar_dim: dim, model_dim: modelDim } = architecture
  const source = new RandomWeights(twoTowerShapes(architecture))
  const [model, reference] = [await loadTwoTower('wasm', source, architecture), new TwoTowerReference(source, architecture)]
  const normalized = concepts(5, dim)
  const rows = [0, 1, 3, 5].map((visible) => ({ noisy: concepts(1, dim, 10 + visible), timestep: 20 * visible, visible }))
  const { context, embeddings, predictions } = await model.forward(normalized, rows)
  model.dispose()
  const expected = reference.context(Array.from({ length: 5 }, (_, n) => normalized.subarray(n * dim, (n + 1) * dim)))
  for (const [n, vector] of context.entries()) expect(worstOffender(vector, expected[n]!).relative).toBeLessThan(3e-6)
  for (const [row, { noisy, timestep, visible }] of rows.entries()) {
    const embedding = embeddings.subarray(row * modelDim, (row + 1) * modelDim)
    expect(worstOffender(embedding, reference.embedding(timestep)).relative).toBeLessThan(3e-6)
    expect(worstOffender(predictions[row]!, reference.denoise(noisy, timestep, expected.slice(0, visible))).relative).toBeLessThan(5e-6)
  }
})

describe.each<[string, () => Promise<ConceptModel>]>([
  ['Two-Tower', () => loadTwoTower('wasm', twoTowerWeights, twoTower)],
  ['One-Tower', () => loadOneTower('wasm', oneTowerWeights, oneTower)],
  ['Base-LCM', () => loadBaseLcm('wasm', new RandomWeights(baseLcmShapes(baseLcm)), baseLcm)],
])('the memory of a %s', (_, load) => {
  const sampling = { ...guidedSampling, temperature: 0.4 }

  test('depends on the concepts in it alone, however they came there', async () => {
    const model = await load()
    const document = concepts(60)
    await model.append(document)
    const whole = await predict(model, sampling)
    const portions = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(portions, fc.boolean(), async (portion, predictBetween) => {
        model.truncate(0)
        for (const count of [...portion, 60]) {
          const end = Math.min(model.length + count, 60)
          await model.append(document.subarray(model.length * model.dim, end * model.dim))
          if (predictBetween) await predict(model, sampling)
        }
        expect(await predict(model, sampling)).toEqual(whole)
      }),
      { numRuns: 4 },
    )
    model.truncate(20)
    const cut = await predict(model, sampling)
    await model.append(concepts(1, model.dim, 8))
    expect(await predict(model, sampling)).not.toEqual(cut)
    model.truncate(20)
    expect(await predict(model, sampling)).toEqual(cut)
    const fork = model.fork()
    await fork.append(document.subarray(0, 20 * model.dim))
    model.dispose()
    expect(await predict(fork, sampling)).toEqual(cut)
    fork.dispose()
  })

  test('refuses what does not fit, and stays as it was', async () => {
    const model = await load()
    await expect(predict(model)).rejects.toThrow(InvalidInput)
    await model.append(concepts(90))
    const undisturbed = await predict(model, sampling)
    await expect(model.append(concepts(1))).rejects.toThrow(ContextFull)
    await expect(model.append(new Float32Array(3))).rejects.toThrow(InvalidInput)
    expect(() => model.truncate(91)).toThrow(InvalidInput)
    const running = predict(model, sampling)
    await expect(predict(model, sampling)).rejects.toThrow(InvalidInput)
    expect(await running).toEqual(undisturbed)
    model.truncate(3)
    const controller = new AbortController()
    const long = model.append(concepts(80), { signal: controller.signal })
    setTimeout(() => controller.abort())
    await expect(long).rejects.toThrow(Aborted)
    expect(model.length).toBe(3)
    await model.append(concepts(90).subarray(3 * model.dim))
    expect(await predict(model, sampling)).toEqual(undisturbed)
    model.dispose()
  })
})

test('a missing tensor, one of another shape and sizes that no model has are named', async () => {
  const source = new RandomWeights(twoTowerShapes(twoTower))
  const name = 'denoiser.layers.1.modulator.fc.weight'
  const { bytes } = source.get(name)
  source.set({ name, dtype: 'F32', shape: [32, 9 * 32], bytes })
  await expect(loadTwoTower('wasm', source, twoTower)).rejects.toThrow(`Tensor "${name}" must have shape [288,32]`)
  source.delete(name)
  await expect(loadTwoTower('wasm', source, twoTower)).rejects.toThrow(`no tensor "${name}"`)
  await expect(loadTwoTower('wasm', source, { ...twoTower, heads: 5 })).rejects.toThrow(ModelFormatError)
})

test('the query and key of the denoiser’s self-attention need not be there', async () => {
  const source = new RandomWeights(twoTowerShapes(twoTower))
  for (const layer of [0, 1]) {
    for (const part of ['q_proj', 'k_proj']) {
      for (const kind of ['weight', 'bias']) source.delete(`denoiser.layers.${layer}.self_attn.${part}.${kind}`)
    }
  }
  const [without, whole] = [await loadTwoTower('wasm', source, twoTower), await loadTwoTower('wasm', twoTowerWeights, twoTower)]
  for (const model of [without, whole]) await model.append(concepts(2))
  expect(await predict(without, guidedSampling)).toEqual(await predict(whole, guidedSampling))
  for (const model of [without, whole]) model.dispose()
})
