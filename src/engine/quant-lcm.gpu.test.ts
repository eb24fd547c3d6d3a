import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { QuantLcmFamily, QuantLcmManifest } from '../formats/concept-model-manifest'
import { type Gpu, requestGpu } from '../gpu'
import { generate, seededNoise } from '../models/generate'
import { QuantLcm } from '../models/quant-lcm'
import { QuantLcmReference } from '../models/quant-lcm-reference'
import { Random } from '../models/random'
import { RandomWeights } from '../models/random-weights'
import { quantLcmShapes } from '../models/shapes'
import { worstOffender } from '../ops/compare'
import { ConceptStates } from '../store/concept-states'
import { MemoryStorage } from '../store/testing'
import { CaseField } from './conformance-field'
import { GeneratedWeights, scaledStream } from './conformance-values'
import { Predictor } from './predictor'
import file from './quant-lcm-cases.json'

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

// Written by training/tests/make_quant_lcm_cases.py: no code of these models is public, so they are held to PyTorch's own numbers.
describe.each(file.cases)('as PyTorch computes it: $name', ({ kind, model: sizes, inputs, decoding, expected }) => {
  const { prefix, ...architecture } = sizes
  const { sonar_dim: dim, n_codebooks: codebooks } = architecture
  const family = kind.replaceAll('-', '_') as QuantLcmFamily
  const weights = new GeneratedWeights(quantLcmShapes(family, architecture), new CaseField({ prefix }, 'model'), false)

  test('concepts generated on the GPU', async () => {
    const { stream, amp } = inputs.document
    const { stream_pattern: pattern, amp: noiseAmp } = inputs.noise
    const prompt = scaledStream(stream, inputs.prompt_length * dim, amp)
    const noise = (position: number) => (count: number) =>
      scaledStream(pattern.replace('<i>', String(position - inputs.prompt_length)), count, noiseAmp)
    const sampling = { guidanceScale: decoding.guidance_scale, temperature: decoding.temperature, topK: decoding.top_k }
    const model = await QuantLcm.load(gpu, weights, family, architecture)
    const generated: number[] = []
    for await (const { concept } of generate(model, prompt, { noise, sampling, maxConcepts: 3 })) generated.push(...concept)
    model.dispose()
    expect(worstOffender(generated, expected.generated).relative).toBeLessThan(2e-5)
  })

  test('units, partial sums and an interleaved training pass in f64', () => {
    const rows = (values: number[]) => inputs.used.map((_, n) => values.slice(n * dim, (n + 1) * dim))
    const [clean, partial] = [rows(expected.clean), rows(expected.partial)]
    const reference = new QuantLcmReference(weights, family, architecture)
    for (const [n, used] of inputs.used.entries()) {
      const units = reference.quantize(clean[n]!)
      expect(units).toEqual(expected.units.slice(n * codebooks, (n + 1) * codebooks))
      expect(worstOffender(reference.partialSum(units.slice(0, used)), partial[n]!).absolute).toBeLessThan(1e-5)
    }
    const sequence = inputs.used.map((step, n) => ({ clean: clean[n]!, unfinished: partial[n]!, step, alone: inputs.alone.includes(n) }))
    const outputs = reference.forward(sequence).flatMap((output) => [...output])
    expect(worstOffender(outputs, expected.output).relative).toBeLessThan(5e-6)
  })
})

describe.each<QuantLcmFamily>(['quant_lcm_c', 'quant_lcm_d'])('a folder with a model of family %s', (family) => {
  const architecture = {
    sonar_dim: 12,
    model_dim: 32,
    heads: 4,
    layers: 2,
    codebook_embed_dim: 8,
    ffn_inner: 40,
    max_seq_len: 8,
    n_codebooks: 5,
    n_units_per_codebook: 20,
  }
  const decoding = { guidanceScale: 1.5, temperature: 1, topK: 4, endOfTextThreshold: 2, stopOnRepetitionThreshold: 2, beam: 1 }
  const manifest: QuantLcmManifest = { family, file: 'weights', architecture, decoding }
  const shapes = quantLcmShapes(family, architecture)
  const prompt = new Random(1, 0).gaussians(3 * 12)
  const { signal } = new AbortController()

  function open(changes: Partial<QuantLcmManifest['decoding']> = {}, endOfText: Float32Array = new Float32Array(12)): Promise<Predictor> {
    const states = new ConceptStates({ storage: new MemoryStorage() })
    const parts = { weights: new RandomWeights(shapes).file(), endOfText, states, identity: 'model' }
    return Predictor.open(gpu, { ...manifest, decoding: { ...decoding, ...changes } }, parts)
  }

  async function write(predictor: Predictor, seed: number, sampling = {}, concepts = 3) {
    await predictor.recall(prompt)
    const generation = predictor.generate(prompt, { seed, sampling, signal, concepts })
    const written: Float32Array[] = []
    let next = await generation.next()
    for (; !next.done; next = await generation.next()) written.push(next.value.embedding)
    return { written, stop: next.value }
  }

  test('continues with its settings and the manifest’s, by seed', async () => {
    const predictor = await open()
    const { written, stop } = await write(predictor, 1)
    expect([written.length, stop]).toEqual([3, 'length'])
    expect((await write(predictor, 1)).written).toEqual(written)
    expect((await write(predictor, 2)).written).not.toEqual(written)
    const best = await write(predictor, 1, { topK: 1 })
    expect((await write(predictor, 2, { temperature: 0 })).written).toEqual(best.written)
    await expect(write(predictor, 1, { steps: 5 })).rejects.toThrow('The setting steps does not apply to a Quant-LCM')
    await expect(write(predictor, 1, { topK: 0.5 })).rejects.toThrow('topK must be a whole number')
  })

  test('stops at the end of the text, at a repetition and where it is full', async () => {
    expect((await write(await open(), 1, {}, 9)).stop).toBe('context-full')
    expect((await write(await open({ stopOnRepetitionThreshold: -1 }), 1)).stop).toBe('repetition')
    const { written } = await write(await open(), 1)
    const ending = await write(await open({ endOfTextThreshold: 0.9999 }, written[1]), 1)
    expect([ending.stop, ending.written.length]).toEqual(['end-of-text', 1])
  })

  test('predicts every concept but the first, as a model does that reads them one by one', async () => {
    const predictor = await open()
    const predicted = await predictor.predictNext(prompt, { seed: 3, sampling: {}, signal })
    const model = await QuantLcm.load(gpu, new RandomWeights(shapes), family, architecture)
    for (const position of [1, 2]) {
      await model.append(prompt.subarray((position - 1) * 12, position * 12))
      const sampling = { guidanceScale: 1.5, temperature: 1, topK: 4 }
      expect(predicted[position - 1]).toEqual(await model.predict({ noise: seededNoise(3)(position), sampling }))
    }
    expect(predicted).toHaveLength(2)
    model.dispose()
  })
})
