import fc from 'fast-check'
import { expect, test } from 'vitest'
import { QuotaExceeded, StorageUnavailable } from '../errors'
import { chunkSentences, type MemoryChunk, type MemorySource, parseChunk, type RememberedSentence } from './memory-chunk'
import { RememberedConcepts } from './remembered-concepts'
import { MemoryStorage } from './testing'

const dim = 3
const diary: MemorySource = { kind: 'document', id: 'diary' }
const notes: MemorySource = { kind: 'notes', id: 'a name\nwith a line break' }

function store(
  storage: MemoryStorage,
  { fingerprint = 'space', ...options }: { fingerprint?: string; capacity?: number } = {},
): RememberedConcepts {
  return new RememberedConcepts({ fingerprint, dim }, { storage, ...options })
}

function sentence(n: number): RememberedSentence {
  return { text: `Sentence ${n}.`, language: n % 2 ? 'deu_Latn' : 'eng_Latn', vector: Float32Array.of(n, -n, n / 3) }
}

function sentences(...numbers: number[]): RememberedSentence[] {
  return numbers.map(sentence)
}

function range(length: number, from = 0): number[] {
  return Array.from({ length }, (_, i) => from + i)
}

/** Everything a fresh visit finds, by source. */
async function contents(storage: MemoryStorage, fingerprint = 'space'): Promise<Record<string, RememberedSentence[]>> {
  const found: Record<string, RememberedSentence[]> = {}
  for await (const chunks of store(storage, { fingerprint }).chunks()) {
    for (const { source, first, sentences, vectors } of chunks) {
      found[source.id] ??= []
      const list = found[source.id]!
      sentences.forEach((one, i) => {
        list[first + i] = { ...one, vector: vectors.slice(i * dim, (i + 1) * dim) }
      })
    }
  }
  return found
}

test('what is remembered is there on the next visit, with its place in its source', async () => {
  const storage = new MemoryStorage()
  await store(storage).replace(diary, sentences(...range(150)))
  for (const part of [range(3), range(130, 3), range(1, 133)]) await store(storage).append(notes, sentences(...part))
  expect(await contents(storage)).toEqual({ [diary.id]: sentences(...range(150)), [notes.id]: sentences(...range(134)) })
  expect(await store(storage).size()).toBe(284)
})

test('any row of replacements leaves the last one, and a change of one sentence writes one chunk', async () => {
  const documents = fc.array(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 200 }), { minLength: 1, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(documents, async (versions) => {
      const storage = new MemoryStorage()
      for (const version of versions) await store(storage).replace(diary, sentences(...version))
      const last = versions.at(-1)!
      expect(await contents(storage)).toEqual(last.length > 0 ? { [diary.id]: sentences(...last) } : {})
      expect(await store(storage).size()).toBe(last.length)
      expect(await store(storage).has(diary)).toBe(true)
    }),
  )
  const storage = new MemoryStorage()
  await store(storage).replace(diary, sentences(...range(200)))
  const { put, gone } = await store(storage).replace(diary, sentences(...range(200).with(70, 999)))
  expect(put.map(({ first }) => first)).toEqual([chunkSentences])
  expect(gone).toEqual([])
  expect((await store(storage).replace(diary, sentences(...range(64)))).gone).toHaveLength(3)
})

test('each space has its own, a document is remembered in one, and forgetting reaches all', async () => {
  const storage = new MemoryStorage()
  const other = store(storage, { fingerprint: 'other' })
  await store(storage).append(notes, sentences(1))
  await other.append(notes, sentences(2, 3))
  await store(storage).replace(diary, sentences(4))
  await other.replace(diary, sentences(5))
  expect(await contents(storage)).toEqual({ [notes.id]: sentences(1) })
  expect(await contents(storage, 'other')).toEqual({ [notes.id]: sentences(2, 3), [diary.id]: sentences(5) })
  expect(await store(storage).has(diary)).toBe(true)
  expect(await other.size()).toBe(3)
  await store(storage).forget(notes)
  expect([await contents(storage), await contents(storage, 'other')]).toEqual([{}, { [diary.id]: sentences(5) }])
  await store(storage).forget()
  expect(await store(storage).has(diary)).toBe(false)
  expect([...storage.values.keys()]).toEqual(['revision'])
})

test('each write has its own revision and says which it followed', async () => {
  const memory = store(new MemoryStorage())
  const first = await memory.append(notes, sentences(1))
  const second = await memory.forget(notes)
  expect(second.before).toBe(first.after)
  expect(await memory.revision()).toBe(second.after)
  expect(new Set([first.before, first.after, second.after]).size).toBe(3)
})

test('a damaged chunk is left out, and made again when its document is replaced by the same sentences', async () => {
  const damages: ((chunk: MemoryChunk) => unknown)[] = [
    () => null,
    () => 'text',
    (chunk) => ({ ...chunk, vectors: chunk.vectors.slice(1) }),
    (chunk) => ({ ...chunk, vectors: Float32Array.from(chunk.vectors, (x, i) => (i === 5 ? x + 1 : x)) }),
    (chunk) => ({ ...chunk, sentences: chunk.sentences.with(3, { text: 'Other.', language: 'eng_Latn' }) }),
    (chunk) => ({ ...chunk, sentences: [null] }),
    (chunk) => ({ ...chunk, checksum: chunk.checksum ^ 1 }),
  ]
  for (const damage of damages) {
    const storage = new MemoryStorage()
    await store(storage).replace(diary, sentences(...range(100)))
    const key = [...storage.values.keys()].find((key) => key.endsWith('000000'))!
    storage.values.set(key, damage(storage.values.get(key) as MemoryChunk))
    const left = (await contents(storage))[diary.id]!
    expect(left.slice(64)).toEqual(sentences(...range(36, 64)))
    expect(left[0]).toBeUndefined()
    await store(storage).replace(diary, sentences(...range(100)))
    expect(await contents(storage)).toEqual({ [diary.id]: sentences(...range(100)) })
  }
  expect(fc.assert(fc.property(fc.string(), fc.anything(), (key, value) => parseChunk(key, value, dim) === null))).toBeUndefined()
})

test('notes go on after a damaged head or a damaged last chunk', async () => {
  const storage = new MemoryStorage()
  await store(storage).append(notes, sentences(...range(70)))
  for (const key of storage.values.keys()) if (key.startsWith('head')) storage.values.set(key, { length: 'many' })
  await store(storage).append(notes, sentences(70))
  expect(await contents(storage)).toEqual({ [notes.id]: sentences(...range(71)) })
  for (const key of storage.values.keys()) if (key.endsWith('000001')) storage.values.set(key, 0)
  await store(storage).append(notes, sentences(500))
  const left = (await contents(storage))[notes.id]!
  expect([left.slice(0, 64), left[128]]).toEqual([sentences(...range(64)), sentence(500)])
})

test('a tab that ends between the two steps of a write leaves what was written, and nothing of what was to go', async () => {
  const writes: [string, (memory: RememberedConcepts) => Promise<unknown>, Record<string, RememberedSentence[]>][] = [
    ['shorter', (memory) => memory.replace(diary, sentences(...range(70, 500))), { [diary.id]: sentences(...range(70, 500)) }],
    ['empty', (memory) => memory.replace(diary, []), {}],
    ['forgotten', (memory) => memory.forget(diary), {}],
  ]
  for (const [name, write, after] of writes) {
    const storage = new MemoryStorage()
    await store(storage).replace(diary, sentences(...range(200)))
    storage.delete = () => Promise.reject(new Error('the tab is gone'))
    await expect(write(store(storage)), name).rejects.toThrow(StorageUnavailable)
    expect(await contents(storage), name).toEqual(after)
    expect(await store(storage).has(diary), name).toBe(name !== 'forgotten')
    expect(await store(storage).size(), name).toBe(after[diary.id]?.length ?? 0)
    // The next visit writes as if nothing had happened.
    Reflect.deleteProperty(storage, 'delete')
    await store(storage).replace(diary, sentences(...range(130)))
    expect(await contents(storage), name).toEqual({ [diary.id]: sentences(...range(130)) })
  }
})

test('too many sentences and a full storage are QuotaExceeded and change nothing; a broken one is StorageUnavailable', async () => {
  const storage = new MemoryStorage()
  const memory = store(storage, { capacity: 10 })
  await memory.replace(diary, sentences(...range(8)))
  const before = new Map(storage.values)
  const failure = await memory.append(notes, sentences(...range(3))).catch((error) => error)
  expect(failure).toBeInstanceOf(QuotaExceeded)
  expect(failure.details).toEqual({ size: 11, capacity: 10 })
  await expect(memory.replace(diary, sentences(...range(11)))).rejects.toThrow(QuotaExceeded)
  expect(storage.values).toEqual(before)
  await memory.replace(diary, sentences(...range(10)))

  storage.broken = new DOMException('full', 'QuotaExceededError')
  await expect(memory.append(notes, sentences(1))).rejects.toThrow(QuotaExceeded)
  storage.broken = new Error('no')
  for (const call of [memory.size(), memory.revision(), memory.has(diary), memory.forget(), memory.chunks().next()]) {
    await expect(call).rejects.toThrow(StorageUnavailable)
  }
})
