import { beforeAll, describe, expect, test, vi } from 'vitest'
import { Aborted, ContextFull, InvalidInput, ModelFormatError } from '../errors'
import type { OneTowerArchitecture } from '../formats/concept-model-manifest'
import { toHalf } from '../formats/float16'
import { type Gpu, requestGpu } from '../gpu'
import { worstOffender } from '../ops/compare'
import type { DenoisingStep, SamplingOptions } from './concept-model'
import { expectedConcept } from './diffusion-reference'
import { generate, seededNoise } from './generate'
import type { InterleavedConcept } from './interleaved-reference'
import { OneTower } from './one-tower'
import { OneTowerReference } from './one-tower-reference'
import { Random } from './random'
import { RandomWeights } from './random-weights'
import type { SchedulerConfig } from './schedule'
import { oneTowerShapes } from './shapes'

const small: OneTowerArchitecture = {
  sonar_dim: 16,
  model_dim: 32,
  heads: 4,
  layers: 3,
  timestep_embed_dim: 8,
  ffn_inner: 64,
  max_seq_len: 150,
}
/** Nothing is a multiple of a tile. */
const odd: OneTowerArchitecture = {
  sonar_dim: 23,
  model_dim: 36,
  heads: 3,
  layers: 2,
  timestep_embed_dim: 5,
  ffn_inner: 53,
  max_seq_len: 20,
}
const shallow: OneTowerArchitecture = {
  sonar_dim: 130,
  model_dim: 264,
  heads: 2,
  layers: 1,
  timestep_embed_dim: 33,
  ffn_inner: 300,
  max_seq_len: 6,
}

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})

/** Weights whose normalizer leaves everything as it is, so that raw and normalised concepts are the same. */
function plainWeights(architecture: OneTowerArchitecture): RandomWeights {
  const weights = new RandomWeights(oneTowerShapes(architecture))
  for (const [name, value] of [
    ['center', 0],
    ['scale', 1],
  ] as const) {
    const values = new Float32Array(architecture.sonar_dim).fill(value)
    weights.set({ ...weights.get(`frontend.sonar_normalizer.${name}`), bytes: new Uint8Array(values.buffer) })
  }
  return weights
}

function load(architecture = small, scheduler: Partial<SchedulerConfig> = {}): Promise<OneTower> {
  return OneTower.load(gpu, new RandomWeights(oneTowerShapes(architecture)), architecture, scheduler)
}

/** n raw concepts. */
function concepts(n: number, { sonar_dim }: { sonar_dim: number } = small, seed = 3): Float32Array {
  return new Random(seed, 0).gaussians(n * sonar_dim)
}

const sampling: SamplingOptions = { steps: 5, guidanceScale: 2.5, guidanceRescale: 0.6, epsilonScaling: 1.01, initialNoiseScale: 0.7 }

function predict(model: OneTower, options: SamplingOptions = sampling): Promise<Float32Array> {
  return model.predict({ noise: seededNoise(5)(9), sampling: options })
}

/** What the plain model makes of raw concepts: raw [dim]. */
function expected(architecture: OneTowerArchitecture, raw: Float32Array, options: SamplingOptions, scheduler = {}) {
  const source = new RandomWeights(oneTowerShapes(architecture))
  const model = { reference: new OneTowerReference(source, architecture), source, normalizer: 'frontend.sonar_normalizer' }
  return expectedConcept(model, raw, { noise: seededNoise(5)(9), options, scheduler })
}

describe('against the plain f64 model', () => {
  test.each([
    ['small', small],
    ['odd', odd],
    ['shallow', shallow],
  ])('one interleaved training pass of the %s model gives what is denoised concept by concept', async (_, architecture) => {
    const { sonar_dim: dim } = architecture
    const source = plainWeights(architecture)
    const model = await OneTower.load(gpu, source, architecture)
    const document = concepts(6, architecture)
    const clean = Array.from({ length: 6 }, (_, n) => document.subarray(n * dim, (n + 1) * dim))
    const sequence: InterleavedConcept[] = [{ unfinished: clean[3]!, step: 40, clean: clean[0]! }]
    const estimates: Float32Array[] = []
    for (let n = 1; n < 6; n++) {
      await model.append(clean[n - 1]!)
      const trace: DenoisingStep[] = []
      const ways: Float32Array[] = []
      await model.predict({
        noise: seededNoise(5)(n),
        sampling: { steps: 6 },
        onStep: (step) => trace.push(step),
        onTrajectory: (way) => ways.push(way),
      })
      expect(ways).toEqual([Float32Array.from(trace.flatMap(({ estimate }) => Array.from(estimate)))])
      // Another noise level for every concept; before the first step there is the first noise.
      const step = n - 1
      const unfinished = trace[step - 1]?.latent ?? seededNoise(5)(n)(dim)
      sequence.push({ unfinished, step: trace[step]!.timestep, clean: clean[n]! })
      estimates.push(trace[step]!.estimate)
    }
    model.dispose()
    const outputs = new OneTowerReference(source, architecture).forward(sequence)
    for (const [index, estimate] of estimates.entries()) expect(worstOffender(estimate, outputs[index + 1]!).relative).toBeLessThan(5e-6)
  })

  const cases: [string, SamplingOptions, Partial<SchedulerConfig>][] = [
    ['without guidance', { steps: 10 }, {}],
    ['with guidance: the unconditional row sees itself alone', sampling, {}],
    ['in the paper’s timesteps', { steps: 7, guidanceScale: 3, timesteps: 'paper' }, {}],
    ['with fresh noise at every step', { ...sampling, eta: 0.8 }, {}],
    ['with a model of velocity', { steps: 6, guidanceScale: 2 }, { prediction_type: 'v_prediction' }],
    ['with a model of noise', { steps: 6, guidanceScale: 2 }, { prediction_type: 'epsilon', rescale_betas_zero_snr: false }],
    ['with a sigmoid schedule and clipped estimates', { ...sampling, clipEstimate: 0.5 }, { beta_schedule: 'sigmoid' }],
  ]
  test.each(cases)('a concept %s, after one concept and after three', async (_, options, scheduler) => {
    const model = await load(small, scheduler)
    for (const length of [1, 3]) {
      await model.append(concepts(length).subarray(model.length * model.dim))
      expect(worstOffender(await predict(model, options), expected(small, concepts(length), options, scheduler)).relative).toBeLessThan(
        2e-5,
      )
    }
    model.dispose()
  })

  test('a document that fills the model to its last position, past the first caches and in several blocks', async () => {
    const architecture = { ...small, layers: 2, max_seq_len: 140 }
    const model = await load(architecture)
    await model.append(concepts(140))
    const options = { ...sampling, steps: 2 }
    const got = await predict(model, options)
    expect(worstOffender(got, expected(architecture, concepts(140), options)).relative).toBeLessThan(2e-5)
    await expect(model.append(concepts(1))).rejects.toThrow(ContextFull)
    expect(await predict(model, options)).toEqual(got)
    model.dispose()
  }, 300_000)

  test.each([
    ['kept by a GPU', false],
    ['expanded for a software adapter', true],
  ])('weights in half precision, %s', async (_, software) => {
    const device = await requestGpu()
    device.info.software = software
    const source = new RandomWeights(oneTowerShapes(odd))
    for (const [name, shape] of oneTowerShapes(odd)) {
      if (shape.length < 2) continue
      const stored = source.get(name)
      const halves = Uint16Array.from(new Float32Array(stored.bytes.buffer), toHalf)
      source.set({ ...stored, dtype: 'F16', bytes: new Uint8Array(halves.buffer) })
    }
    const model = await OneTower.load(device, source, odd)
    await model.append(concepts(4, odd))
    const got = await predict(model)
    device.destroy()
    const plain = { reference: new OneTowerReference(source, odd), source, normalizer: 'frontend.sonar_normalizer' }
    const want = expectedConcept(plain, concepts(4, odd), { noise: seededNoise(5)(9), options: sampling, scheduler: {} })
    expect(worstOffender(got, want).relative).toBeLessThan(2e-5)
  })
})

describe('memory', () => {
  test('the same document gives the same bits, however it was read and whatever was predicted on the way', async () => {
    const model = await load()
    const document = concepts(136)
    await model.append(document)
    const whole = await predict(model)
    const fresh = model.fork()
    for (let n = 0; n < 136; n++) {
      await fresh.append(document.subarray(n * 16, (n + 1) * 16))
      if (n % 20 === 3) await predict(fresh)
    }
    expect(await predict(fresh)).toEqual(whole)
    fresh.truncate(50)
    const cut = await predict(fresh)
    await fresh.append(document.subarray(50 * 16))
    expect(await predict(fresh)).toEqual(whole)
    model.truncate(50)
    expect(await predict(model)).toEqual(cut)
    model.dispose()
    expect(await predict(fresh)).toEqual(whole)
    fresh.truncate(0)
    await expect(predict(fresh)).rejects.toThrow(InvalidInput)
    fresh.dispose()
  })

  test('denoising leaves nothing in the state', async () => {
    const model = await load()
    await model.append(concepts(5))
    const rows = await model.exportRows(0, 5)
    await predict(model)
    expect(await model.exportRows(0, 5)).toEqual(rows)
    model.dispose()
  })

  test('text goes on in the same bits after a reload', async () => {
    const model = await load()
    const options = { noise: seededNoise(2), sampling, maxConcepts: 4 }
    const written: Float32Array[] = []
    for await (const { concept } of generate(model, concepts(1), options)) written.push(concept)
    const rows = await model.exportRows(0, 3)
    model.dispose()
    const reloaded = await load()
    await reloaded.importRows(rows)
    const document = Float32Array.from([...concepts(1), ...written[0]!, ...written[1]!])
    for await (const { concept } of generate(reloaded, document, { ...options, maxConcepts: 2 })) {
      expect(concept).toEqual(written[reloaded.length - 1])
    }
    expect(reloaded.length).toBe(4)
    reloaded.dispose()
  })

  test('a new concept is one submission and one read-back: one row read and one denoising loop', async () => {
    const model = await load()
    await model.append(concepts(40))
    await predict(model)
    const [submit, read, now] = [vi.spyOn(gpu, 'submit'), vi.spyOn(gpu, 'read'), vi.spyOn(performance, 'now').mockReturnValue(0)]
    await predict(model)
    submit.mockClear()
    read.mockClear()
    await model.append(concepts(1, small, 4))
    await predict(model)
    expect(submit.mock.calls.map(([programs]) => programs.length)).toEqual([1 + 5])
    expect(submit.mock.calls[0]![0][0]!.label).toBe('encode 1 concepts')
    expect(read).toHaveBeenCalledTimes(1)
    for (const spy of [submit, read, now]) spy.mockRestore()
    model.dispose()
  })
})

test('an abort in the middle leaves the model as it was', async () => {
  const model = await load()
  await model.append(concepts(3))
  const undisturbed = await predict(model)
  const controller = new AbortController()
  const onStep = ({ timestep }: DenoisingStep) => timestep === 59 && controller.abort()
  await expect(model.predict({ noise: seededNoise(1)(0), sampling, signal: controller.signal, onStep })).rejects.toThrow(Aborted)
  expect(await predict(model)).toEqual(undisturbed)
  model.dispose()
})

test.each([
  ['frontend.pos_encoder.weight', [150, 32]],
  ['frontend.pre_linear.weight', [32, 16]],
  ['frontend.embed_time.fc2.bias', null],
  ['lcm.layers.2.self_attn.k_proj.weight', null],
])('%s is asked for by name and shape', async (name, shape) => {
  const weights = new RandomWeights(oneTowerShapes(small))
  const stored = weights.get(name)
  weights.delete(name)
  if (shape) weights.set({ ...stored, shape })
  await expect(OneTower.load(gpu, weights, small)).rejects.toThrow(ModelFormatError)
  await expect(OneTower.load(gpu, weights, small)).rejects.toThrow(name)
})
