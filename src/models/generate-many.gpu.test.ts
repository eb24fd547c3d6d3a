import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Aborted, ContextFull, InvalidInput } from '../errors'
import { type Gpu, requestGpu } from '../gpu'
import { BaseLcm } from './base-lcm'
import type { ConceptModel, SamplingOptions } from './concept-model'
import { type GenerateOptions, generate, type StopReason, seededNoise } from './generate'
import { type ConceptOfMany, generateMany, type ManyOptions, type ManyPrompt } from './generate-many'
import { OneTower } from './one-tower'
import { Random } from './random'
import { RandomWeights } from './random-weights'
import { baseLcmShapes, oneTowerShapes, twoTowerShapes } from './shapes'
import { TwoTower } from './two-tower'

const sizes = { sonar_dim: 12, model_dim: 32, heads: 4, ffn_inner: 40, max_seq_len: 90 }
const dim = sizes.sonar_dim

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

const families: [name: string, load: () => Promise<ConceptModel>, sampling: SamplingOptions][] = [
  [
    'Two-Tower',
    () => {
      const architecture = { ...sizes, context_layers: 2, denoiser_layers: 2 }
      return TwoTower.load(gpu, new RandomWeights(twoTowerShapes(architecture)), architecture)
    },
    { steps: 4, guidanceScale: 2.5, guidanceRescale: 0.6, epsilonScaling: 1.01, initialNoiseScale: 0.7, eta: 0.5 },
  ],
  [
    'Base-LCM',
    () => {
      const architecture = { ...sizes, layers: 2 }
      return BaseLcm.load(gpu, new RandomWeights(baseLcmShapes(architecture)), architecture)
    },
    { temperature: 0.5 },
  ],
  [
    'One-Tower, which has no batches,',
    () => {
      const architecture = { ...sizes, layers: 2, timestep_embed_dim: 8 }
      return OneTower.load(gpu, new RandomWeights(oneTowerShapes(architecture)), architecture)
    },
    { steps: 3, guidanceScale: 2 },
  ],
]

function prompt(length: number, seed: number): Float32Array {
  return new Random(seed, 0).gaussians(length * dim)
}

interface Written {
  concepts: number[][]
  stop: StopReason | null
}

async function together(model: ConceptModel, documents: readonly ManyPrompt[], options: ManyOptions): Promise<Written[]> {
  const written: Written[] = documents.map(() => ({ concepts: [], stop: null }))
  for await (const concepts of generateMany(model, documents, options)) {
    for (const { document, concept, stop, position } of concepts) {
      expect(position).toBe(documents[document]!.prompt.length / dim + written[document]!.concepts.length)
      written[document]!.concepts.push([...concept])
      written[document]!.stop = stop
    }
  }
  return written
}

type AloneOptions = Omit<ManyOptions, 'settle'> & Pick<GenerateOptions, 'settle'>

async function alone(model: ConceptModel, documents: readonly ManyPrompt[], options: AloneOptions): Promise<Written[]> {
  const written: Written[] = []
  for (const { prompt, noise } of documents) {
    model.truncate(0)
    const one: Written = { concepts: [], stop: null }
    for await (const { concept, stop } of generate(model, prompt, { ...options, noise })) {
      one.concepts.push([...concept])
      one.stop = stop
    }
    written.push(one)
  }
  return written
}

describe.each(families)('%s', (_, load, sampling) => {
  test('documents of any lengths have the bits they have alone, whenever the others stop', async () => {
    const model = await load()
    const same = prompt(5, 8)
    const documents = [1, 70, 3].map((length, i) => ({ prompt: prompt(length, i), noise: seededNoise(i) }))
    documents.push({ prompt: same, noise: seededNoise(7) }, { prompt: same, noise: seededNoise(8) })
    const open = { maxConcepts: 4, sampling }
    const expected = await alone(model, documents, open)
    expect(await together(model, documents, open)).toEqual(expected)
    expect(expected[3]!.concepts).not.toEqual(expected[4]!.concepts)
    // The second concept of one document ends the others that come near it: rows leave at different times.
    const endOfText = { concept: Float32Array.from(expected[1]!.concepts[1]!), threshold: 0.3 }
    const ending = { ...open, maxConcepts: 6, endOfText, repetitionThreshold: 0.95 }
    const shorter = await alone(model, documents, ending)
    expect(new Set(shorter.map(({ concepts }) => concepts.length)).size).toBeGreaterThan(1)
    expect(await together(model, documents, ending)).toEqual(shorter)
    model.dispose()
  })

  test('what is settled on stands in the documents, as it would alone, and is not asked for at their ends', async () => {
    const model = await load()
    const documents = [2, 5].map((length, i) => ({ prompt: prompt(length, i), noise: seededNoise(i) }))
    const rounded = (concept: Float32Array) => concept.map(Math.round)
    const settled: number[] = []
    const settle = async (concepts: readonly ConceptOfMany[]) => {
      settled.push(...concepts.map(({ document }) => document))
      return concepts.map(({ concept }) => rounded(concept))
    }
    const expected = await alone(model, documents, { maxConcepts: 3, sampling, settle: async (concept) => rounded(concept) })
    expect(await together(model, documents, { maxConcepts: 3, sampling, settle })).toEqual(expected)
    expect(settled.toSorted()).toEqual([0, 0, 0, 1, 1, 1])
    expect(expected).not.toEqual(await alone(model, documents, { maxConcepts: 3, sampling }))
    settled.length = 0
    const endOfText = { concept: Float32Array.from(expected[1]!.concepts[0]!), threshold: -1 }
    expect((await together(model, documents, { maxConcepts: 3, minConcepts: 0, endOfText, sampling, settle }))[0]!.stop).toBe('end-of-text')
    expect(settled).toEqual([])
    model.dispose()
  })

  test('a full context ends a document', async () => {
    const model = await load()
    const documents = [90, 88].map((length, i) => ({ prompt: prompt(length, i), noise: seededNoise(i) }))
    const options = { maxConcepts: 5, sampling: { ...sampling, ...(sampling.steps && { steps: 2 }) } }
    const written = await together(model, documents, options)
    expect(written.map(({ concepts, stop }) => [concepts.length, stop])).toEqual([
      [1, 'context-full'],
      [3, 'context-full'],
    ])
    expect(written).toEqual(await alone(model, documents, options))
    const tooLong = [{ prompt: prompt(91, 1), noise: seededNoise(1) }]
    await expect(generateMany(model, tooLong, options).next()).rejects.toThrow(ContextFull)
    const empty = [{ prompt: new Float32Array(0), noise: seededNoise(1) }]
    await expect(generateMany(model, empty, options).next()).rejects.toThrow(InvalidInput)
    model.dispose()
  })
})

describe('a batch', () => {
  const [, load, sampling] = families[0]!

  test('is as large as a binding allows; the rest of the documents come after it', async () => {
    const model = await load()
    const documents = [2, 3, 1].map((length, i) => ({ prompt: prompt(length, i), noise: seededNoise(i) }))
    const expected = await alone(model, documents, { maxConcepts: 2, sampling })
    const { limits } = gpu.info
    const allowed = limits.maxStorageBufferBindingSize!
    // Room for two documents of 3 + 2 − 1 concepts and the row in front, 32 numbers each.
    limits.maxStorageBufferBindingSize = 2 * 5 * 32 * 4 + 16
    const [small, large] = [(await model.batch!(3, 4)).size, (await model.batch!(200, 1)).size]
    const written = await together(model, documents, { maxConcepts: 2, sampling }).finally(() => {
      limits.maxStorageBufferBindingSize = allowed
    })
    expect([small, large]).toEqual([2, 5])
    expect((await model.batch!(200, 1)).size).toBe(64)
    expect(written).toEqual(expected)
    model.dispose()
  })

  test('denoises all its concepts in one submission', async () => {
    const model = await load()
    const batch = await model.batch!(3, 4)
    await model.append(prompt(2, 1))
    const rows = await model.exportRows(0, 2)
    for (const document of [0, 1, 2]) await batch.importRows(document, rows)
    const requests = [0, 1, 2].map((document) => ({ document, noise: seededNoise(document)(2) }))
    const now = vi.spyOn(performance, 'now').mockReturnValue(0)
    await batch.predict(requests, { sampling })
    const submit = vi.spyOn(gpu, 'submit')
    await batch.predict(requests, { sampling })
    expect(submit).toHaveBeenCalledTimes(1)
    for (const spy of [submit, now]) spy.mockRestore()
    batch.dispose()
    model.dispose()
  })

  test('refuses what it has no room for and what makes no sense', async () => {
    const model = await load()
    const batch = await model.batch!(2, 3)
    const noise = seededNoise(1)(1)
    await expect(batch.predict([{ document: 0, noise }])).rejects.toThrow(InvalidInput)
    await expect(batch.importRows(2, new Float32Array(0))).rejects.toThrow(InvalidInput)
    await expect(batch.importRows(0, new Float32Array(5))).rejects.toThrow(InvalidInput)
    await model.append(prompt(3, 1))
    await batch.importRows(0, await model.exportRows(0, 3))
    await expect(batch.append(0, prompt(1, 1))).rejects.toThrow(ContextFull)
    await batch.importRows(1, await model.exportRows(0, 1))
    await batch.append(1, prompt(1, 1))
    await expect(batch.append(1, prompt(1, 1))).rejects.toThrow(InvalidInput)
    const twice = [1, 1].map((document) => ({ document, noise }))
    await expect(batch.predict(twice)).rejects.toThrow(InvalidInput)
    await expect(batch.predict([{ document: 1, noise }], { signal: AbortSignal.abort() })).rejects.toThrow(Aborted)
    expect(await batch.predict([{ document: 1, noise }], { sampling: { steps: 2 } })).toHaveLength(1)
    batch.dispose()
    model.dispose()
  })
})
