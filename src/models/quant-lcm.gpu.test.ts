import { beforeAll, describe, expect, test, vi } from 'vitest'
import { Aborted, ContextFull, InvalidInput, ModelFormatError } from '../errors'
import type { QuantLcmArchitecture, QuantLcmFamily } from '../formats/concept-model-manifest'
import { toFloat32, toHalf } from '../formats/float16'
import type { TensorSource } from '../formats/safetensors'
import { type Gpu, requestGpu } from '../gpu'
import { worstOffender } from '../ops/compare'
import type { SamplingOptions } from './concept-model'
import { generate, seededNoise } from './generate'
import { QuantLcm, uniformDraws } from './quant-lcm'
import { QuantLcmReference } from './quant-lcm-reference'
import { Random } from './random'
import { RandomWeights } from './random-weights'
import { quantLcmShapes } from './shapes'

const small: QuantLcmArchitecture = {
  sonar_dim: 16,
  model_dim: 32,
  heads: 4,
  layers: 3,
  codebook_embed_dim: 8,
  ffn_inner: 64,
  max_seq_len: 150,
  n_codebooks: 7,
  n_units_per_codebook: 40,
}
/** Nothing is a multiple of a tile. */
const odd: QuantLcmArchitecture = {
  sonar_dim: 23,
  model_dim: 36,
  heads: 3,
  layers: 2,
  codebook_embed_dim: 5,
  ffn_inner: 53,
  max_seq_len: 20,
  n_codebooks: 4,
  n_units_per_codebook: 19,
}
const shallow: QuantLcmArchitecture = {
  sonar_dim: 130,
  model_dim: 264,
  heads: 2,
  layers: 1,
  codebook_embed_dim: 33,
  ffn_inner: 300,
  max_seq_len: 6,
  n_codebooks: 2,
  n_units_per_codebook: 300,
}
const families: QuantLcmFamily[] = ['quant_lcm_c', 'quant_lcm_d']

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})

/** Weights whose logits and distances differ enough to be chosen by. */
function source(family: QuantLcmFamily, architecture = small): RandomWeights {
  return new RandomWeights(quantLcmShapes(family, architecture))
}

function load(family: QuantLcmFamily, architecture = small): Promise<QuantLcm> {
  return QuantLcm.load(gpu, source(family, architecture), family, architecture)
}

/** n raw concepts. */
function concepts(n: number, { sonar_dim }: { sonar_dim: number } = small, seed = 3): Float32Array {
  return new Random(seed, 0).gaussians(n * sonar_dim)
}

const sampling: SamplingOptions = { guidanceScale: 1.5, temperature: 0.5, topK: 6 }

function predict(model: QuantLcm, options: SamplingOptions = sampling, seed = 5): Promise<Float32Array> {
  return model.predict({ noise: seededNoise(seed)(9), sampling: options })
}

/** What the plain model makes of raw concepts: raw [dim]. */
function expected(
  family: QuantLcmFamily,
  architecture: QuantLcmArchitecture,
  raw: Float32Array,
  { options = sampling, seed = 5, weights = source(family, architecture) as TensorSource } = {},
): Float64Array {
  const { sonar_dim: dim, n_codebooks: codebooks } = architecture
  const [center, scale] = ['center', 'scale'].map((name) => toFloat32(weights.get(`frontend.sonar_normalizer.${name}`)))
  const normalized = Array.from({ length: raw.length / dim }, (_, n) =>
    Float64Array.from(raw.subarray(n * dim, (n + 1) * dim), (value, i) => (value - center![i]!) / scale![i]!),
  )
  const draws = uniformDraws(seededNoise(seed)(9), codebooks)
  const { guidanceScale = 1, temperature = 0, topK = architecture.n_units_per_codebook } = options
  const { concept } = new QuantLcmReference(weights, family, architecture).refine(normalized, { guidanceScale, temperature, topK, draws })
  return concept.map((value, i) => value * scale![i]! + center![i]!)
}

describe.each(families)('%s', (family) => {
  describe('against the plain f64 model', () => {
    const cases: [string, SamplingOptions][] = [
      ['the best units without guidance', {}],
      ['the best units with guidance: the unconditional row sees itself alone', { guidanceScale: 3, topK: 1, temperature: 1 }],
      ['units drawn among the best', sampling],
      ['units drawn among all', { temperature: 1 }],
    ]
    test.each(cases)('%s, after one concept and after three', async (_, options) => {
      const model = await load(family)
      for (const length of [1, 3]) {
        await model.append(concepts(length).subarray(model.length * model.dim))
        for (const seed of [5, 6]) {
          const want = expected(family, small, concepts(length), { options, seed })
          expect(worstOffender(await predict(model, options, seed), want).relative).toBeLessThan(2e-6)
        }
      }
      model.dispose()
    })

    test.each([
      ['odd', odd],
      ['shallow', shallow],
    ])('a model of %s sizes', async (_, architecture) => {
      const model = await load(family, architecture)
      await model.append(concepts(4, architecture))
      for (const options of [{ guidanceScale: 2 }, sampling]) {
        const want = expected(family, architecture, concepts(4, architecture), { options })
        expect(worstOffender(await predict(model, options), want).relative).toBeLessThan(2e-6)
      }
      model.dispose()
    })

    test('a document that fills the model to its last position, past the first caches and in several blocks', async () => {
      const architecture = { ...small, layers: 2, max_seq_len: 140, n_codebooks: 2 }
      const model = await load(family, architecture)
      await model.append(concepts(140))
      const got = await predict(model)
      expect(worstOffender(got, expected(family, architecture, concepts(140))).relative).toBeLessThan(2e-6)
      await expect(model.append(concepts(1))).rejects.toThrow(ContextFull)
      expect(await predict(model)).toEqual(got)
      model.dispose()
    }, 300_000)

    test.each([
      ['kept by a GPU', false],
      ['expanded for a software adapter', true],
    ])('weights in half precision, %s', async (_, software) => {
      const device = await requestGpu()
      device.info.software = software
      const weights = source(family, odd)
      for (const [name, shape] of quantLcmShapes(family, odd)) {
        if (shape.length < 2) continue
        const stored = weights.get(name)
        const halves = Uint16Array.from(new Float32Array(stored.bytes.buffer), toHalf)
        weights.set({ ...stored, dtype: 'F16', bytes: new Uint8Array(halves.buffer) })
      }
      const model = await QuantLcm.load(device, weights, family, odd)
      await model.append(concepts(4, odd))
      const got = await predict(model)
      device.destroy()
      expect(worstOffender(got, expected(family, odd, concepts(4, odd), { weights })).relative).toBeLessThan(2e-6)
    })
  })

  test('the same document gives the same bits, however it was read and whatever was predicted on the way', async () => {
    const model = await load(family)
    const document = concepts(70)
    await model.append(document)
    const whole = await predict(model)
    const fresh = model.fork()
    for (let n = 0; n < 70; n++) {
      await fresh.append(document.subarray(n * 16, (n + 1) * 16))
      if (n % 20 === 3) await predict(fresh, { guidanceScale: n })
    }
    const rows = await fresh.exportRows(0, 70)
    expect(await predict(fresh)).toEqual(whole)
    expect(await fresh.exportRows(0, 70)).toEqual(rows)
    expect(await predict(fresh, sampling, 7)).not.toEqual(whole)
    model.dispose()
    fresh.truncate(0)
    await expect(predict(fresh)).rejects.toThrow(InvalidInput)
    fresh.dispose()
  })

  test('a new concept is one submission and one read-back: one row read and one refinement', async () => {
    const model = await load(family)
    await model.append(concepts(40))
    await predict(model)
    const [submit, read, now] = [vi.spyOn(gpu, 'submit'), vi.spyOn(gpu, 'read'), vi.spyOn(performance, 'now').mockReturnValue(0)]
    await predict(model)
    submit.mockClear()
    read.mockClear()
    await model.append(concepts(1, small, 4))
    await predict(model)
    expect(submit.mock.calls.map(([programs]) => programs.length)).toEqual([1 + 2 * small.n_codebooks])
    expect(submit.mock.calls[0]![0][0]!.label).toBe('encode 1 concepts')
    expect(read).toHaveBeenCalledTimes(1)
    for (const spy of [submit, read, now]) spy.mockRestore()
    model.dispose()
  })

  test('an abort in the middle leaves the model as it was', async () => {
    const model = await load(family)
    await model.append(concepts(3))
    const undisturbed = await predict(model)
    const other = model.fork()
    await other.append(concepts(3))
    const controller = new AbortController()
    const finished = vi.spyOn(gpu, 'finished').mockImplementation(async () => controller.abort())
    await expect(other.predict({ noise: seededNoise(1)(0), sampling, signal: controller.signal })).rejects.toThrow(Aborted)
    expect(finished).toHaveBeenCalledTimes(1)
    finished.mockRestore()
    expect(await predict(other)).toEqual(undisturbed)
    other.dispose()
    model.dispose()
  })

  test.each([
    ['frontend.embed_codebook.weight', [7, 8]],
    ['frontend.pos_encoder.weight', [150, 32]],
    ['postnet.fc.bias', [17]],
    ['quantizer.codebooks.6.weight', null],
    ['quantizer.codebooks.0.weight', [40, 15]],
  ])('%s is asked for by name and shape', async (name, shape) => {
    const weights = source(family)
    const stored = weights.get(name)
    weights.delete(name)
    if (shape) weights.set({ ...stored, shape })
    await expect(QuantLcm.load(gpu, weights, family, small)).rejects.toThrow(ModelFormatError)
    await expect(QuantLcm.load(gpu, weights, family, small)).rejects.toThrow(name)
  })
})

test('Quant-LCM-c that regresses a concept refines to its residual quantisation', async () => {
  const weights = source('quant_lcm_c')
  const target = concepts(1, small, 8).map((x) => x / 2)
  const zero = new Float32Array(small.sonar_dim * small.model_dim)
  weights.set({ ...weights.get('postnet.fc.weight'), bytes: new Uint8Array(zero.buffer) })
  weights.set({ ...weights.get('postnet.fc.bias'), bytes: new Uint8Array(target.buffer) })
  const plain = [new Float32Array(small.sonar_dim), new Float32Array(small.sonar_dim).fill(1)]
  for (const [i, name] of ['center', 'scale'].entries()) {
    weights.set({ ...weights.get(`frontend.sonar_normalizer.${name}`), bytes: new Uint8Array(plain[i]!.buffer) })
  }
  const model = await QuantLcm.load(gpu, weights, 'quant_lcm_c', small)
  await model.append(concepts(2))
  const reference = new QuantLcmReference(weights, 'quant_lcm_c', small)
  const quantised = reference.partialSum(reference.quantize(target))
  expect(worstOffender(await predict(model, { topK: 1 }), quantised).relative).toBeLessThan(1e-6)
  expect(worstOffender(await predict(model, { guidanceScale: 3 }), quantised).relative).toBeLessThan(1e-6)
  model.dispose()
})

test('another seed gives another concept only where units are drawn, and text goes on in the same bits after a reload', async () => {
  const model = await load('quant_lcm_d')
  await model.append(concepts(1))
  for (const options of [{}, { topK: 1, temperature: 2 }, { temperature: 0 }, { temperature: 1e-7, topK: 9 }]) {
    expect(await predict(model, options, 1)).toEqual(await predict(model, options, 2))
  }
  expect(await predict(model, { temperature: 2 }, 1)).not.toEqual(await predict(model, { temperature: 2 }, 2))
  model.truncate(0)
  const options = { noise: seededNoise(2), sampling, maxConcepts: 4 }
  const written: Float32Array[] = []
  for await (const { concept } of generate(model, concepts(1), options)) written.push(concept)
  const rows = await model.exportRows(0, 3)
  model.dispose()
  const reloaded = await load('quant_lcm_d')
  await reloaded.importRows(rows)
  const document = Float32Array.from([...concepts(1), ...written[0]!, ...written[1]!])
  for await (const { concept } of generate(reloaded, document, { ...options, maxConcepts: 2 })) {
    expect(concept).toEqual(written[reloaded.length - 1])
  }
  reloaded.dispose()
})

test.each([
  [{ guidanceScale: -1 }, 'guidanceScale must be from 0 to 1000, not -1.'],
  [{ guidanceScale: Number.NaN }, 'guidanceScale must be from 0'],
  [{ temperature: 1001 }, 'temperature must be from 0 to 1000'],
  [{ topK: 0 }, 'topK must be a whole number from 1 to 65536, not 0.'],
  [{ topK: 2.5, temperature: 1 }, 'topK must be a whole number'],
])('%j is refused', async (options, message) => {
  const model = await load('quant_lcm_d', odd)
  await model.append(concepts(1, odd))
  await expect(predict(model, options)).rejects.toThrow(InvalidInput)
  await expect(predict(model, options)).rejects.toThrow(message)
  model.dispose()
})
