import fc from 'fast-check'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { Aborted, ContextFull, InvalidInput, ModelFormatError } from '../errors'
import type { TwoTowerArchitecture } from '../formats/concept-model-manifest'
import { type Gpu, requestGpu, type Tensor } from '../gpu'
import type { DenoisingStep, SamplingOptions } from './concept-model'
import { expectedConcept } from './diffusion-reference'
import { generate, seededNoise } from './generate'
import { loadKernels } from './kernels'
import { loadModulation, modulationTables } from './modulation'
import { Normalizer } from './normalizer'
import { Random } from './random'
import { RandomWeights } from './random-weights'
import { TwoTowerReference } from './reference'
import type { SchedulerConfig } from './schedule'
import { twoTowerShapes } from './shapes'
import { guidedSampling as sampling, samplingCases } from './testing'
import { TwoTower } from './two-tower'
import { ModelWeights } from './weights'

const small: TwoTowerArchitecture = {
  sonar_dim: 16,
  model_dim: 32,
  heads: 4,
  context_layers: 2,
  denoiser_layers: 2,
  ffn_inner: 64,
  max_seq_len: 150,
}
/** Nothing is a multiple of a tile, and the towers differ in depth. */
const odd: TwoTowerArchitecture = {
  sonar_dim: 23,
  model_dim: 36,
  heads: 3,
  context_layers: 1,
  denoiser_layers: 3,
  ffn_inner: 53,
  max_seq_len: 20,
}
const wide: TwoTowerArchitecture = {
  sonar_dim: 130,
  model_dim: 264,
  heads: 2,
  context_layers: 1,
  denoiser_layers: 1,
  ffn_inner: 300,
  max_seq_len: 20,
}

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})

function load(architecture = small, scheduler: Partial<SchedulerConfig> = {}): Promise<TwoTower> {
  return TwoTower.load(gpu, new RandomWeights(twoTowerShapes(architecture)), architecture, scheduler)
}

/** n raw concepts. */
function concepts(n: number, { sonar_dim }: { sonar_dim: number } = small, seed = 3): Float32Array {
  return new Random(seed, 0).gaussians(n * sonar_dim)
}

function predict(model: TwoTower, options: SamplingOptions = sampling): Promise<Float32Array> {
  return model.predict({ noise: seededNoise(5)(9), sampling: options })
}

/** max |got − want| / max |want| */
function relative(got: ArrayLike<number>, want: ArrayLike<number>): number {
  expect(got.length).toBe(want.length)
  let [gap, scale] = [0, 0]
  for (let i = 0; i < want.length; i++) {
    gap = Math.max(gap, Math.abs(got[i]! - want[i]!))
    scale = Math.max(scale, Math.abs(want[i]!))
  }
  return gap / scale
}

describe('against the plain f64 model', () => {
  test.each([
    ['small', small],
    ['odd', odd],
    ['wide', wide],
  ])('a training pass of the %s model: context, embeddings, predictions', async (_, architecture) => {
    const { sonar_dim: dim } = architecture
    const reference = new TwoTowerReference(new RandomWeights(twoTowerShapes(architecture)), architecture)
    const model = await load(architecture)
    const normalized = concepts(5, architecture)
    const rows = [0, 1, 3, 5].map((visible) => ({ noisy: concepts(1, architecture, 10 + visible), timestep: 20 * visible, visible }))
    const { context, embeddings, predictions } = await model.forward(normalized, rows)
    model.dispose()

    const expected = reference.context(Array.from({ length: 5 }, (_, n) => normalized.subarray(n * dim, (n + 1) * dim)))
    for (const [n, vector] of context.entries()) expect(relative(vector, expected[n]!)).toBeLessThan(3e-6)
    for (const [row, { noisy, timestep, visible }] of rows.entries()) {
      const embedding = embeddings.subarray(row * architecture.model_dim, (row + 1) * architecture.model_dim)
      expect(relative(embedding, reference.embedding(timestep))).toBeLessThan(3e-6)
      expect(relative(predictions[row]!, reference.denoise(noisy, timestep, expected.slice(0, visible)))).toBeLessThan(5e-6)
    }
  })

  test.each(samplingCases)('a concept %s', async (_, options, scheduler) => {
    const model = await load(small, scheduler)
    await model.append(concepts(3))
    const got = await predict(model, options)
    model.dispose()
    expect(relative(got, expected(small, concepts(3), options, scheduler))).toBeLessThan(2e-5)
  })

  test('the modulation table of a schedule', async () => {
    const source = new RandomWeights(twoTowerShapes(small))
    const weights = new ModelWeights(gpu, source)
    const modulation = loadModulation(weights, { modelDim: small.model_dim, layers: small.denoiser_layers })
    const kernels = await loadKernels(gpu, weights, { headDim: 8, positions: 1 })
    const timesteps = [99, 50, 1, 0]
    const tables = modulationTables(gpu, kernels, modulation, timesteps)
    const reference = new TwoTowerReference(source, small)
    for (const [layer, table] of tables.entries()) {
      const got = await gpu.read(table)
      for (const [row, timestep] of timesteps.entries()) {
        const width = 9 * small.model_dim
        expect(relative(got.subarray(row * width, (row + 1) * width), reference.modulation(layer, timestep))).toBeLessThan(3e-6)
      }
    }
    for (const table of tables) table.destroy()
    weights.destroy()
  })

  test('a document longer than the first caches and several blocks', async () => {
    const architecture = { ...small, context_layers: 1, denoiser_layers: 1 }
    const model = await load(architecture)
    const document = concepts(140)
    await model.append(document)
    const got = await predict(model)
    model.dispose()
    expect(relative(got, expected(architecture, document, sampling, {}))).toBeLessThan(2e-5)
  })
})

/** What the plain model makes of raw concepts: raw [dim]. */
function expected(architecture: TwoTowerArchitecture, raw: Float32Array, options: SamplingOptions, scheduler: Partial<SchedulerConfig>) {
  const source = new RandomWeights(twoTowerShapes(architecture))
  const model = { reference: new TwoTowerReference(source, architecture), source, normalizer: 'sonar_normalizer' }
  return expectedConcept(model, raw, { noise: seededNoise(5)(9), options, scheduler })
}

describe('memory', () => {
  test('a prefix read in any portions gives the same bits, past the growth of the caches as well', async () => {
    const model = await load()
    const document = concepts(136)
    await model.append(document)
    const whole = await predict(model)
    const portions = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(portions, fc.boolean(), async (sizes, predictBetween) => {
        model.truncate(0)
        for (const size of [...sizes, 136]) {
          const end = Math.min(model.length + size, 136)
          await model.append(document.subarray(model.length * model.dim, end * model.dim))
          if (predictBetween) await predict(model)
        }
        expect(await predict(model)).toEqual(whole)
      }),
      { numRuns: 6 },
    )
    const fresh = model.fork()
    for (let n = 0; n < 136; n++) await fresh.append(document.subarray(n * 16, (n + 1) * 16))
    expect(await predict(fresh)).toEqual(whole)
    fresh.dispose()
    model.dispose()
  })

  test('holds max_seq_len concepts and not one more', async () => {
    const model = await load({ ...small, max_seq_len: 70 })
    await model.append(concepts(70))
    await predict(model)
    await expect(model.append(concepts(1))).rejects.toThrow(ContextFull)
    expect(model.length).toBe(70)
    await predict(model)
    model.dispose()
  })

  test('forgets what is truncated and takes other concepts instead', async () => {
    const model = await load()
    await model.append(concepts(9))
    const nine = await predict(model)
    model.truncate(4)
    const four = await predict(model)
    await model.append(concepts(9).subarray(4 * 16))
    expect(await predict(model)).toEqual(nine)
    model.truncate(4)
    await model.append(concepts(2, small, 8))
    expect(await predict(model)).not.toEqual(nine)
    model.truncate(4)
    expect(await predict(model)).toEqual(four)
    model.truncate(0)
    await expect(predict(model)).rejects.toThrow(InvalidInput)
    expect(() => model.truncate(1)).toThrow(InvalidInput)
    model.dispose()
  })

  test('forks share weights and nothing else, and outlive the model they come from', async () => {
    const model = await load()
    const fork = model.fork()
    await model.append(concepts(3))
    await fork.append(concepts(2, small, 4))
    const alone = await predict(fork)
    expect(fork.length).toBe(2)
    const [first, second] = await Promise.all([predict(model), predict(fork)])
    expect(second).toEqual(alone)
    expect(first).not.toEqual(second)
    model.dispose()
    expect(await predict(fork)).toEqual(alone)
    fork.dispose()
  })
})

describe('prediction', () => {
  test('the same seed gives the same concept, another one another', async () => {
    const model = await load()
    await model.append(concepts(3))
    const first = await predict(model)
    expect(await predict(model)).toEqual(first)
    expect(await predict(model, { ...sampling, guidanceScale: 1 })).not.toEqual(first)
    expect(await model.predict({ noise: seededNoise(6)(9), sampling })).not.toEqual(first)
    expect(await predict(model)).toEqual(first)
    model.dispose()
  })

  test('a concept is one submission and one read-back, its last context concept included', async () => {
    const model = await load()
    await model.append(concepts(3))
    await predict(model)
    const [submit, read, now] = [vi.spyOn(gpu, 'submit'), vi.spyOn(gpu, 'read'), vi.spyOn(performance, 'now').mockReturnValue(0)]
    await predict(model)
    submit.mockClear()
    read.mockClear()
    await model.append(concepts(1, small, 4))
    await predict(model)
    expect(submit).toHaveBeenCalledTimes(1)
    expect(read).toHaveBeenCalledTimes(1)
    for (const spy of [submit, read, now]) spy.mockRestore()
    model.dispose()
  })

  test('a slow GPU gets its steps one by one, so that an abort acts after the step that runs', async () => {
    const model = await load()
    await model.append(concepts(3))
    const undisturbed = await predict(model)
    let time = 0
    const controller = new AbortController()
    const now = vi.spyOn(performance, 'now').mockImplementation(() => (time += 10_000))
    const submit = vi.spyOn(gpu, 'submit')
    expect(await predict(model)).toEqual(undisturbed)
    submit.mockClear()
    expect(await predict(model)).toEqual(undisturbed)
    expect(submit).toHaveBeenCalledTimes(5)
    submit.mockClear()
    const aborted = model.predict({ noise: seededNoise(5)(9), sampling, signal: controller.signal })
    controller.abort()
    await expect(aborted).rejects.toThrow(Aborted)
    expect(submit).toHaveBeenCalledTimes(1)
    for (const spy of [submit, now]) spy.mockRestore()
    expect(await predict(model)).toEqual(undisturbed)
    model.dispose()
  })

  test('watching the steps, or being told the way they took, changes nothing', async () => {
    const model = await load()
    await model.append(concepts(3))
    const steps: DenoisingStep[] = []
    const watched = await model.predict({ noise: seededNoise(5)(9), sampling, onStep: (step) => steps.push(step) })
    expect(watched).toEqual(await predict(model))
    expect(steps.map(({ timestep }) => timestep)).toEqual([99, 79, 59, 39, 19])
    const ways: Float32Array[] = []
    const read = vi.spyOn(gpu, 'read')
    const told = await model.predict({ noise: seededNoise(5)(9), sampling, onTrajectory: (estimates) => ways.push(estimates) })
    expect(read).toHaveBeenCalledTimes(1)
    read.mockRestore()
    expect(told).toEqual(watched)
    const weights = new ModelWeights(gpu, new RandomWeights(twoTowerShapes(small)))
    const [center, scale] = ['center', 'scale'].map((name) => weights.values(`sonar_normalizer.${name}`, small.sonar_dim))
    const normalizer = new Normalizer(center!, scale!)
    expect(ways).toEqual([Float32Array.from(steps.flatMap(({ estimate }) => Array.from(normalizer.denormalize(estimate))))])
    weights.destroy()
    model.dispose()
  })

  test('an abort in the middle leaves the model as it was', async () => {
    const model = await load()
    await model.append(concepts(3))
    const undisturbed = await predict(model)
    for (const stopAt of [1, 3]) {
      const controller = new AbortController()
      const onStep = ({ timestep }: DenoisingStep) => timestep === 99 - 20 * (stopAt - 1) && controller.abort()
      await expect(model.predict({ noise: seededNoise(1)(0), sampling, signal: controller.signal, onStep })).rejects.toThrow(Aborted)
      expect(await predict(model)).toEqual(undisturbed)
    }
    const controller = new AbortController()
    const long = model.append(concepts(140, small, 8), { signal: controller.signal })
    controller.abort()
    await expect(long).rejects.toThrow(Aborted)
    expect(model.length).toBe(3)
    expect(await predict(model)).toEqual(undisturbed)
    model.dispose()
  })

  test('a second call while one runs is refused and does not disturb it', async () => {
    const model = await load()
    await model.append(concepts(3))
    const undisturbed = await predict(model)
    const running = predict(model)
    await expect(predict(model)).rejects.toThrow(InvalidInput)
    await expect(model.append(concepts(1))).rejects.toThrow(InvalidInput)
    expect(await running).toEqual(undisturbed)
    model.dispose()
  })

  test('options out of range are refused with their name', async () => {
    const model = await load()
    await model.append(concepts(1))
    await expect(predict(model, { steps: 101 })).rejects.toThrow(InvalidInput)
    await expect(predict(model, { steps: 0 })).rejects.toThrow(InvalidInput)
    await expect(predict(model, { guidanceScale: Number.NaN })).rejects.toThrow('guidanceScale')
    await expect(predict(model, { eta: 2 })).rejects.toThrow('eta')
    expect(await predict(model)).toHaveLength(16)
    model.dispose()
    const ofNoise = await load(small, { prediction_type: 'epsilon' })
    await ofNoise.append(concepts(1))
    await expect(predict(ofNoise)).rejects.toThrow('rescale_betas_zero_snr')
    ofNoise.dispose()
  })

  test('a document is continued concept by concept', async () => {
    const model = await load()
    const run = async () => {
      const found: Float32Array[] = []
      for await (const { concept } of generate(model, concepts(4), { noise: seededNoise(2), sampling, maxConcepts: 3 })) found.push(concept)
      return found
    }
    const first = await run()
    expect(model.length).toBe(6)
    model.truncate(2)
    expect(await run()).toEqual(first)
    model.dispose()
  })
})

describe('weights', () => {
  test('matrices larger than a binding may be are split, and nothing else changes', async () => {
    const { limits } = gpu.info
    const allowed = limits.maxStorageBufferBindingSize!
    const tensor = vi.spyOn(gpu, 'tensor')
    limits.maxStorageBufferBindingSize = 3000
    const split = await load().finally(() => {
      limits.maxStorageBufferBindingSize = allowed
    })
    const matrices = tensor.mock.results.map(({ value }) => value as Tensor).filter(({ label }) => label.endsWith('.weight'))
    tensor.mockRestore()
    for (const { label, size } of matrices) expect(4 * size, label).toBeLessThanOrEqual(3000)
    expect(matrices.filter(({ label }) => label === 'denoiser.layers.0.modulator.fc.weight')).toHaveLength(13)
    const whole = await load()
    for (const model of [split, whole]) await model.append(concepts(5))
    const got = await predict(split)
    expect(got).toEqual(await predict(whole))
    expect(relative(got, expected(small, concepts(5), sampling, {}))).toBeLessThan(2e-5)
    split.dispose()
    whole.dispose()
  })

  test('a missing tensor, and one of another shape, are named', async () => {
    const source = new RandomWeights(twoTowerShapes(small))
    const name = 'denoiser.layers.1.modulator.fc.weight'
    const { bytes } = source.get(name)
    source.set({ name, dtype: 'F32', shape: [32, 9 * 32], bytes })
    await expect(TwoTower.load(gpu, source, small)).rejects.toThrow(`Tensor "${name}" must have shape [288,32]`)
    source.delete(name)
    await expect(TwoTower.load(gpu, source, small)).rejects.toThrow(`no tensor "${name}"`)
    await expect(TwoTower.load(gpu, source, { ...small, heads: 5 })).rejects.toThrow(ModelFormatError)
    await expect(TwoTower.load(gpu, source, small, { num_diffusion_train_steps: 0 })).rejects.toThrow(InvalidInput)
  })

  test('the query and key of the denoiser’s self-attention have no say and need not be there', async () => {
    const source = new RandomWeights(twoTowerShapes(small))
    for (const layer of [0, 1]) {
      for (const part of ['q_proj', 'k_proj']) {
        for (const kind of ['weight', 'bias']) source.delete(`denoiser.layers.${layer}.self_attn.${part}.${kind}`)
      }
    }
    const [without, whole] = await Promise.all([TwoTower.load(gpu, source, small), load()])
    for (const model of [without, whole]) await model.append(concepts(2))
    expect(await predict(without)).toEqual(await predict(whole))
    without.dispose()
    whole.dispose()
  })
})
