import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { EncodedSentences } from '../store/encoded-sentences'
import { MemoryStorage } from '../store/testing'
import { SentenceCache } from './sentence-cache'

/** Encodes a sentence as its length and its first letter, and remembers what it was asked. */
class CountingSpace {
  readonly dim = 2
  readonly asked: string[] = []

  async encode(sentences: readonly string[]): Promise<Float32Array> {
    this.asked.push(...sentences)
    return Float32Array.from(sentences.flatMap((sentence) => [sentence.length, sentence.charCodeAt(0)]))
  }
}

function visit(storage: MemoryStorage, { fingerprint = 'space', capacity = 100 } = {}) {
  const space = new CountingSpace()
  return { space, cache: new SentenceCache(space, new EncodedSentences({ fingerprint, dim: 2 }, { storage, capacity })) }
}

const written = () => new Promise((resolve) => setTimeout(resolve, 5))

test('a sentence is encoded once, over visits as well, and comes back in its place', async () => {
  const sentence = fc.string({ minLength: 1, maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(sentence, { minLength: 1 }), { minLength: 1, maxLength: 4 }), async (calls) => {
      const storage = new MemoryStorage()
      const asked: string[] = []
      for (const sentences of calls) {
        const { space, cache } = visit(storage)
        for (let again = 0; again < 2; again++) {
          const expected = sentences.flatMap((text) => [text.length, text.charCodeAt(0)])
          expect([...(await cache.encode(sentences, 'eng_Latn'))]).toEqual(expected)
        }
        asked.push(...space.asked)
        await written()
      }
      expect(asked.length).toBe(new Set(calls.flat()).size)
    }),
    { numRuns: 30 },
  )
})

test('language and space tell sentences apart', async () => {
  const storage = new MemoryStorage()
  await visit(storage).cache.encode(['Gift'], 'eng_Latn')
  await written()
  for (const [language, fingerprint, count] of [
    ['eng_Latn', 'space', 0],
    ['deu_Latn', 'space', 1],
    ['eng_Latn', 'other', 1],
  ] as const) {
    const { space, cache } = visit(storage, { fingerprint })
    await cache.encode(['Gift'], language)
    expect(space.asked.length).toBe(count)
  }
})

test('a damaged or foreign entry is encoded again', async () => {
  const damages: ((entry: { vector: Float32Array; checksum: number }, storage: MemoryStorage, key: string) => unknown)[] = [
    ({ vector, ...entry }) => ({ ...entry, vector: vector.map((value) => value + 1) }),
    ({ vector, ...entry }) => ({ ...entry, vector: vector.subarray(1) }),
    (entry) => ({ ...entry, checksum: entry.checksum ^ 1 }),
    (_, storage, key) => storage.values.get([...storage.values.keys()].find((other) => other !== key)!),
    () => null,
    () => 'text',
  ]
  for (const damage of damages) {
    const storage = new MemoryStorage()
    await visit(storage).cache.encode(['One.', 'Two!'], 'eng_Latn')
    await written()
    const key = 'space\neng_Latn\nOne.'
    storage.values.set(key, damage(storage.values.get(key) as never, storage, key))
    const { space, cache } = visit(storage)
    expect([...(await cache.encode(['One.', 'Two!'], 'eng_Latn'))]).toEqual([4, 79, 4, 84])
    expect(space.asked).toEqual(['One.'])
  }
})

test('the sentences used least recently make room, and long texts are not kept', async () => {
  const storage = new MemoryStorage()
  const now = vi.spyOn(Date, 'now')
  for (let visits = 0; visits < 9; visits++) {
    now.mockReturnValue(visits * 2 * 86_400_000)
    await visit(storage, { capacity: 8 }).cache.encode(['0', `${visits}`, 'long'.repeat(1000)], 'eng_Latn')
    await written()
  }
  now.mockRestore()
  const texts = [...storage.values.keys()].map((key) => key.split('\n')[2])
  expect(texts.sort()).toEqual(['0', '3', '4', '5', '6', '7', '8'])
})

test('without a working store everything is encoded', async () => {
  const storage = new MemoryStorage()
  storage.broken = new Error('no')
  const { space, cache } = visit(storage)
  await cache.encode(['One.'], 'eng_Latn')
  await cache.encode(['One.'], 'eng_Latn')
  await cache.forget(['One.'], 'eng_Latn')
  await cache.encode(['One.'], 'eng_Latn')
  expect(space.asked).toEqual(['One.', 'One.'])
})

test('forgets sentences in memory and store', async () => {
  const storage = new MemoryStorage()
  const { cache } = visit(storage)
  await cache.encode(['One.', 'Two.'], 'eng_Latn')
  await written()
  await cache.forget(['One.'], 'eng_Latn')
  expect([...storage.values.keys()]).toEqual(['space\neng_Latn\nTwo.'])
})
