import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { InvalidInput, WebGpuUnavailable } from '../errors'
import { type Gpu, requestGpu } from '../gpu'
import { Random } from '../models/random'
import { cosineReference } from '../ops'
import type { MemorySource, RememberedSentence } from '../store/memory-chunk'
import { MemoryStorage } from '../store/testing'
import { ConceptMemory } from './concept-memory'

const dim = 6
const space = { fingerprint: 'space', dim }
/** 128 rows of 8 numbers: a few documents take several shards. */
const shardBytes = 128 * 32

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

function tab(storage: MemoryStorage): ConceptMemory {
  return new ConceptMemory(space, async () => gpu, { storage, shardBytes })
}

function tabWithoutGpu(storage: MemoryStorage): ConceptMemory {
  const none = async () => {
    throw new WebGpuUnavailable('none')
  }
  return new ConceptMemory(space, none, { storage })
}

function sentences(count: number, seed: number): RememberedSentence[] {
  const numbers = new Random(seed, 0).gaussians(count * dim)
  return Array.from({ length: count }, (_, i) => ({
    text: `${seed}.${i}`,
    language: 'eng_Latn',
    vector: numbers.slice(i * dim, (i + 1) * dim),
  }))
}

const document = (id: string): MemorySource => ({ kind: 'document', id })
const notes: MemorySource = { kind: 'notes', id: 'notes' }

/** The definition: every sentence of every source, by its best cosine with a query, sources in order. */
function wanted(sources: readonly [MemorySource, readonly RememberedSentence[]][], queries: Float32Array, k: number) {
  const all = sources
    .toSorted(([a], [b]) => (`${a.kind}\n${a.id}` < `${b.kind}\n${b.id}` ? -1 : 1))
    .flatMap(([source, list]) => list.map((sentence, index) => ({ ...sentence, source: { ...source, index } })))
  const scored = all.map(({ text, source, vector }) => {
    const cosines = Array.from({ length: queries.length / dim }, (_, q) =>
      cosineReference(queries.subarray(q * dim, (q + 1) * dim), vector),
    )
    return { text, source, score: Math.max(...cosines.map((cosine) => cosine ?? -2)) }
  })
  return scored
    .filter(({ score }) => score >= -1)
    .sort((a, b) => b.score - a.score)
    .slice(0, k)
}

async function found(memory: ConceptMemory, queries: Float32Array, k: number) {
  return (await memory.search(queries, k)).map(({ text, source, score }) => ({ text, source, score }))
}

test('through additions, edits and forgetting, GPU and plain search find what the definition says, in the same bits', async () => {
  const storage = new MemoryStorage()
  const [memory, plain] = [tab(storage), tabWithoutGpu(storage)]
  const sources = new Map<MemorySource, RememberedSentence[]>()
  const [a, b] = [document('a'), document('b')]
  const steps: (() => Promise<void>)[] = [
    async () => {},
    async () => memory.replace(a, sources.set(a, sentences(3, 1)).get(a)!),
    async () => memory.append(notes, sources.set(notes, sentences(150, 2)).get(notes)!),
    async () => memory.replace(b, sources.set(b, sentences(300, 3)).get(b)!),
    async () => memory.replace(a, sources.set(a, [...sources.get(a)!, ...sentences(90, 4)]).get(a)!),
    async () => memory.replace(b, sources.set(b, sources.get(b)!.toSpliced(70, 40)).get(b)!),
    async () => {
      await memory.append(notes, sentences(1, 5))
      sources.set(notes, [...sources.get(notes)!, ...sentences(1, 5)])
    },
    async () => {
      await memory.forget(b)
      sources.delete(b)
    },
    async () => memory.replace(b, sources.set(b, sentences(500, 6)).get(b)!),
    async () => {
      // Another tab's write, of which this one only sees the revision.
      await tabWithoutGpu(storage).replace(a, sources.set(a, sentences(20, 7)).get(a)!)
    },
    async () => {
      await memory.forget()
      sources.clear()
    },
  ]
  for (const [step, change] of steps.entries()) {
    await change()
    for (const [count, k] of [
      [1, 1],
      [1, 12],
      [3, 40],
      [2, 600],
    ] as const) {
      const queries = new Random(step + 100, 0).gaussians(count * dim)
      const want = wanted([...sources], queries, k)
      expect(await found(memory, queries, k), `step ${step}, ${k} for ${count}`).toEqual(want)
      expect(await found(plain, queries, k), `step ${step}, ${k} for ${count}, plain`).toEqual(want)
    }
    expect(await memory.size()).toBe([...sources.values()].flat().length)
    expect(await found(tab(storage), new Random(1, 0).gaussians(dim), 5)).toEqual(wanted([...sources], new Random(1, 0).gaussians(dim), 5))
  }
})

test('more equals than the GPU can rank come in the order of their sources', async () => {
  const storage = new MemoryStorage()
  const one = sentences(1, 1)[0]!
  const same = Array.from({ length: 1300 }, (_, i) => ({ ...one, text: `${i}`, vector: one.vector.map((x) => x * 2 ** (i % 3)) }))
  await tab(storage).append(notes, same)
  await tab(storage).replace(document('z'), same.slice(0, 2))
  const hits = await tab(storage).search(one.vector, 4)
  expect(hits.map(({ text, source }) => [source.kind, text])).toEqual([
    ['document', '0'],
    ['document', '1'],
    ['notes', '0'],
    ['notes', '1'],
  ])
})

test('recall leaves out the prompt’s own document and sentences, however many are nearer', async () => {
  const storage = new MemoryStorage()
  const memory = tab(storage)
  const [own, other] = [sentences(120, 1), sentences(5, 2)]
  await memory.replace(document('own'), own)
  await memory.append(notes, [...own.slice(0, 3), ...other])
  const prompt = { sentences: own.map(({ text }) => text), concepts: Float32Array.from(own.flatMap(({ vector }) => [...vector])) }
  const recalled = await memory.recall(prompt, 10, 'own')
  expect(new Set(recalled.map(({ text }) => text))).toEqual(new Set(other.map(({ text }) => text)))
  expect(recalled.map(({ score }) => score)).toEqual(recalled.map(({ score }) => score).toSorted((a, b) => b - a))
  expect(recalled[0]!.embedding).toEqual(other.find(({ text }) => text === recalled[0]!.text)!.vector)
  // Elsewhere the same document may be recalled, but for the sentences that are in the prompt.
  const elsewhere = await memory.recall({ sentences: ['1.0'], concepts: own[0]!.vector }, 3)
  expect(elsewhere).toHaveLength(3)
  expect(elsewhere.some(({ text }) => text === '1.0')).toBe(false)
  expect(elsewhere.some(({ source }) => source.id === 'own')).toBe(true)
})

test('concepts of zeros are never found, and what cannot be searched for is refused', async () => {
  const memory = tab(new MemoryStorage())
  await memory.append(notes, [{ text: 'nothing', language: 'eng_Latn', vector: new Float32Array(dim) }, ...sentences(2, 1)])
  expect(await memory.search(sentences(1, 2)[0]!.vector, 5)).toHaveLength(2)
  expect(await memory.search(new Float32Array(dim), 5)).toEqual([])
  const query = new Float32Array(dim).fill(1)
  for (const bad of [new Float32Array(0), new Float32Array(dim + 1), query.with(2, Number.NaN)]) {
    await expect(memory.search(bad, 1)).rejects.toThrow(InvalidInput)
  }
  for (const k of [0, 0.5, 1001]) await expect(memory.search(query, k)).rejects.toThrow(InvalidInput)
})

test('a chunk damaged underneath is left out, and a lost device costs nothing but speed', async () => {
  const storage = new MemoryStorage()
  let device = await requestGpu()
  const memory = new ConceptMemory(space, async () => device, { storage, shardBytes })
  const list = sentences(100, 1)
  await memory.append(notes, list)
  const query = sentences(1, 2)[0]!.vector
  const before = await found(memory, query, 7)
  device.destroy()
  expect(await found(memory, query, 7)).toEqual(before)
  device = await requestGpu()
  expect(await found(memory, query, 7)).toEqual(before)
  for (const [key, value] of storage.values) {
    if (key.endsWith('000000')) (value as { vectors: Float32Array }).vectors[0]! += 1
  }
  const left = await found(memory, query, 50)
  expect(left).toHaveLength(36)
  expect(left.every(({ source }) => source.index >= 64)).toBe(true)
  device.destroy()
})

test('a GPU without room for all shards, and one that is lost while they are filled, leave the search to the store', async () => {
  const storage = new MemoryStorage()
  const list = sentences(400, 1)
  await tab(storage).append(notes, list)
  const query = sentences(1, 2)[0]!.vector
  const before = wanted([[notes, list]], query, 9)
  const { createBuffer } = GPUDevice.prototype
  /** What happens when the third shard is made. */
  const at = (work: (device: GPUDevice, descriptor: GPUBufferDescriptor) => GPUBufferDescriptor) =>
    vi.spyOn(GPUDevice.prototype, 'createBuffer').mockImplementation(function (this: GPUDevice, descriptor) {
      return createBuffer.call(this, descriptor.label === 'concepts 2' ? work(this, descriptor) : descriptor)
    })
  // As where memory ends, the buffer is refused after the call has returned.
  const refuse = vi.fn((_: GPUDevice, { usage, ...rest }: GPUBufferDescriptor) => ({ ...rest, usage: usage | GPUBufferUsage.MAP_READ }))
  const [full, growing] = [tab(storage), tab(storage)]
  await growing.forget(notes)
  await growing.append(notes, list.slice(0, 250))
  expect(await found(growing, query, 9)).toEqual(wanted([[notes, list.slice(0, 250)]], query, 9))
  at(refuse)
  await growing.append(notes, list.slice(250))
  expect(refuse).toHaveBeenCalledTimes(1)
  // The refusal is not told to whoever uses the GPU next.
  await gpu.finished()
  for (const memory of [growing, full, growing, full]) expect(await found(memory, query, 9)).toEqual(before)
  expect(refuse, 'a GPU that had no room is not filled again').toHaveBeenCalledTimes(2)
  await gpu.finished()
  vi.restoreAllMocks()
  expect(await found(tab(storage), query, 9)).toEqual(before)

  let device = await requestGpu()
  const lose = vi.fn((lost: GPUDevice, descriptor: GPUBufferDescriptor) => {
    lost.destroy()
    return descriptor
  })
  const memory = new ConceptMemory(space, async () => device, { storage, shardBytes })
  at(lose)
  expect(await found(memory, query, 9)).toEqual(before)
  expect(lose).toHaveBeenCalledTimes(1)
  vi.restoreAllMocks()
  device = await requestGpu()
  expect(await found(memory, query, 9)).toEqual(before)
  device.destroy()
})

test('without a GPU the store is read through once, as long as memory allows and nobody writes', async () => {
  const storage = new MemoryStorage()
  const read = vi.spyOn(storage, 'getMany')
  /** How often chunks were read for a search that finds what it should. */
  const reads = async (memory: ConceptMemory, sources: [MemorySource, RememberedSentence[]][]) => {
    read.mockClear()
    const query = sentences(1, 9)[0]!.vector
    expect(await found(memory, query, 30)).toEqual(wanted(sources, query, 30))
    return read.mock.calls.length
  }
  const memory = tabWithoutGpu(storage)
  const [own, other] = [sentences(150, 1), sentences(100, 2)]
  await memory.append(notes, own)
  expect([await reads(memory, [[notes, own]]), await reads(memory, [[notes, own]])]).toEqual([1, 0])
  await memory.replace(document('a'), other)
  await memory.replace(notes, own.slice(0, 20))
  const now: [MemorySource, RememberedSentence[]][] = [
    [notes, own.slice(0, 20)],
    [document('a'), other],
  ]
  expect(await reads(memory, now)).toBe(0)
  await tabWithoutGpu(storage).forget(document('a'))
  expect([await reads(memory, now.slice(0, 1)), await reads(memory, now.slice(0, 1))]).toEqual([1, 0])
  await memory.forget()
  expect(await reads(memory, [])).toBe(0)
  await memory.append(notes, own)
  const none = () => Promise.reject(new WebGpuUnavailable('none'))
  const small = new ConceptMemory(space, none, { storage, keptBytes: 149 * dim * 4 })
  expect([await reads(small, [[notes, own]]), await reads(small, [[notes, own]])]).toEqual([1, 1])
  const large = new ConceptMemory(space, none, { storage, keptBytes: 150 * dim * 4 })
  expect([await reads(large, [[notes, own]]), await reads(large, [[notes, own]])]).toEqual([1, 0])
  await large.append(notes, sentences(1, 3))
  const grown = [...own, ...sentences(1, 3)]
  expect([await reads(large, [[notes, grown]]), await reads(large, [[notes, grown]])]).toEqual([1, 1])
})
