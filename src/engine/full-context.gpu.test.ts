import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ContextFull } from '../errors'
import type { ConceptModelManifest } from '../formats/concept-model-manifest'
import { type Gpu, requestGpu } from '../gpu'
import type { Machine } from '../models/machine'
import { Random } from '../models/random'
import { RandomWeights } from '../models/random-weights'
import { schedulerDefaults } from '../models/schedule'
import { oneTowerShapes, quantLcmShapes, type Shapes } from '../models/shapes'
import { ConceptStates } from '../store/concept-states'
import { MemoryStorage } from '../store/testing'
import { Predictor } from './predictor'

const dim = 12
const capacity = 8
const sizes = { sonar_dim: dim, model_dim: 32, heads: 4, layers: 2, ffn_inner: 40, max_seq_len: capacity }
const stopping = { endOfTextThreshold: 2, stopOnRepetitionThreshold: 2, beam: 1 }
const diffusion = { steps: 2, guidanceScale: 1, guidanceRescale: 0, initialNoiseScale: 1, epsilonScaling: 1 }
const oneTower: ConceptModelManifest = {
  family: 'one_tower',
  file: '',
  architecture: { ...sizes, timestep_embed_dim: 8 },
  scheduler: schedulerDefaults,
  decoding: { ...stopping, ...diffusion },
}
const quantSizes = { ...sizes, codebook_embed_dim: 8, n_codebooks: 3, n_units_per_codebook: 20 }
const quantLcm = (family: 'quant_lcm_c' | 'quant_lcm_d'): ConceptModelManifest => ({
  family,
  file: '',
  architecture: quantSizes,
  decoding: { ...stopping, guidanceScale: 1.5, temperature: 1, topK: 4 },
})

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

const prompt = (length: number) => new Random(1, 0).gaussians(length * dim)
const { signal } = new AbortController()

const models: [name: string, manifest: ConceptModelManifest, shapes: Shapes, machine: () => Machine][] = [
  ['a One-Tower model on the GPU', oneTower, oneTowerShapes({ ...sizes, timestep_embed_dim: 8 }), () => gpu],
  ['a One-Tower model on the processor', oneTower, oneTowerShapes({ ...sizes, timestep_embed_dim: 8 }), () => 'wasm'],
  ['a Quant-LCM-c', quantLcm('quant_lcm_c'), quantLcmShapes('quant_lcm_c', quantSizes), () => gpu],
  ['a Quant-LCM-d', quantLcm('quant_lcm_d'), quantLcmShapes('quant_lcm_d', quantSizes), () => gpu],
]

// These families learn one vector for every position: there is none beyond `max_seq_len`.
describe.each(models)('%s', (_, manifest, shapes, machine) => {
  async function open(): Promise<Predictor> {
    const states = new ConceptStates({ storage: new MemoryStorage() })
    const parts = { weights: new RandomWeights(shapes).file(), endOfText: new Float32Array(dim), states, identity: 'model' }
    return Predictor.open(machine(), manifest, parts)
  }

  test('reads as many concepts as it has positions, writes one after them, and refuses more', async () => {
    const predictor = await open()
    expect(predictor.maxLength).toBe(capacity)
    const write = async (length: number) => {
      await predictor.recall(prompt(length))
      const generation = predictor.generate(prompt(length), { seed: 1, sampling: {}, signal, concepts: 5 })
      let written = 0
      for (;;) {
        const { value, done } = await generation.next()
        if (done) return { written, stop: value }
        expect(value.embedding.every(Number.isFinite)).toBe(true)
        written++
      }
    }
    expect(await write(capacity)).toEqual({ written: 1, stop: 'context-full' })
    expect(await write(capacity - 2)).toEqual({ written: 3, stop: 'context-full' })
    const refused = await write(capacity + 1).catch((error) => error)
    expect(refused).toBeInstanceOf(ContextFull)
    expect(refused.message).toBe('The document has 9 concepts; this model holds 8.')
    expect(refused.details).toEqual({ concepts: 9, capacity: 8 })
    expect(await write(2)).toEqual({ written: 5, stop: 'length' })

    const documents = [
      { prompt: prompt(2), seed: 1 },
      { prompt: prompt(capacity + 1), seed: 1 },
    ]
    const many = predictor.generateMany(documents, { sampling: {}, signal, concepts: 1, onRead: () => undefined })
    await expect(many.next()).rejects.toThrow(ContextFull)
    const settings = { seed: 1, sampling: {}, signal }
    expect(await predictor.predictNext(prompt(capacity), settings)).toHaveLength(capacity - 1)
    await expect(predictor.predictNext(prompt(capacity + 2), settings)).rejects.toThrow(
      'The document would have 9 concepts; this model holds 8',
    )
    predictor.dispose()
  })
})
