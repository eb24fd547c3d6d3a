import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { sha256 } from '../formats/integrity'
import { ConceptStates, type StateOwner } from './concept-states'
import { commonLength, prefixChain } from './prefix-chain'
import { mostRows } from './state-chunk'
import { MemoryStorage } from './testing'

const rowWidth = 3
const rowBytes = 4 * rowWidth
/** Four rows a chunk. */
const chunkBytes = 4 * rowBytes

/** The chain of a document of one-number concepts. */
async function owner(concepts: readonly number[]): Promise<StateOwner> {
  return { links: await prefixChain('model', Float32Array.from(concepts), 1), rowWidth }
}

/** The state of a document's rows [start, end): as in a model, each row depends on all concepts up to its own and on nothing else. */
function stateOf({ links }: StateOwner, start = 0, end = links.length): Float32Array {
  return Float32Array.from(links.slice(start, end).flatMap((link) => [0, 8, 16].map((at) => Number.parseInt(link.slice(at, at + 5), 16))))
}

function store(storage: MemoryStorage, options = {}): ConceptStates {
  return new ConceptStates({ storage, chunkBytes, ...options })
}

/** Reads what there is and writes the whole document, as an engine does. */
async function visit(states: ConceptStates, document: StateOwner): Promise<number> {
  const rows = await states.read(document)
  expect(rows).toEqual(stateOf(document, 0, rows.length / rowWidth))
  const known = rows.length / rowWidth
  const start = known - (known % states.chunkRows(rowWidth))
  await states.write(document, start, stateOf(document, start))
  return known
}

/** Documents of a few letters, so that many begin alike. */
const documents = fc.array(fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 1, maxLength: 14 }), { minLength: 1, maxLength: 8 })

describe('prefixChain', () => {
  test('links are SHA-256 of the link before and of the concept, the first of the model', async () => {
    const concepts = Float32Array.of(1, 2, 3, 4)
    const links = await prefixChain('model', concepts, 2)
    const text = new TextEncoder()
    const join = (link: string, from: number) => new Uint8Array([...text.encode(link), ...new Uint8Array(concepts.buffer, from, 8)])
    const first = await sha256(join(await sha256(text.encode('model')), 0))
    expect(links).toEqual([first, await sha256(join(first, 8))])
    expect(await prefixChain('model', concepts, 2, links.slice(0, 1))).toEqual(links)
  })

  test('two chains agree exactly as far as model and concepts do', async () => {
    await fc.assert(
      fc.asyncProperty(documents, async ([a = [], b = []]) => {
        const [first, second] = [await owner(a), await owner(b)]
        const differs = a.findIndex((concept, n) => concept !== b[n])
        expect(commonLength(first.links, second.links)).toBe(differs < 0 ? a.length : differs)
        expect(commonLength(first.links, await prefixChain('other', Float32Array.from(a), 1))).toBe(0)
      }),
    )
  })
})

describe('ConceptStates', () => {
  test('gives back the longest beginning that any document had, in the very bits, from any row on', async () => {
    await fc.assert(
      fc.asyncProperty(documents, fc.nat(), async (all, seed) => {
        const storage = new MemoryStorage()
        const seen: StateOwner[] = []
        for (const concepts of all) {
          const document = await owner(concepts)
          const expected = Math.max(0, ...seen.map(({ links }) => commonLength(links, document.links)))
          const from = seed % (expected + 1)
          expect(await store(storage).read(document, from)).toEqual(stateOf(document, from, expected))
          expect(await visit(store(storage), document)).toBe(expected)
          seen.push(document)
        }
      }),
    )
  })

  test('documents with the same beginning share its chunks, and a growing document has one chunk for every few rows', async () => {
    const storage = new MemoryStorage()
    const beginning = [1, 2, 3, 4, 5, 6, 7, 8]
    for (let length = 1; length <= 8; length++) await visit(store(storage), await owner(beginning.slice(0, length)))
    expect(storage.size).toBe(8 * rowBytes)
    expect(storage.values.size).toBe(4)
    await visit(store(storage), await owner([...beginning, 10]))
    await visit(store(storage), await owner([...beginning, 20]))
    expect(storage.size).toBe(10 * rowBytes)
  })

  test('chunks keep to their size, and one row may be larger than a chunk', () => {
    const states = new ConceptStates({ storage: new MemoryStorage() })
    expect(states.chunkRows(1)).toBe(mostRows)
    expect(states.chunkRows(4352)).toBe(32)
    expect(states.chunkRows(2 ** 20)).toBe(1)
  })

  test('another row width is another model', async () => {
    const storage = new MemoryStorage()
    const document = await owner([1, 2])
    await visit(store(storage), document)
    expect(await store(storage).read({ ...document, rowWidth: 1 })).toEqual(new Float32Array(0))
  })

  test('whatever is done to a stored value, no wrong row comes back, and the document is stored again', async () => {
    const damages: Record<string, (storage: MemoryStorage, key: string, random: number) => void> = {
      flip: (storage, key, random) => {
        const value = structuredClone(storage.values.get(key))
        if (value instanceof Uint8Array) value[random % value.length]! ^= 1 << (random % 8)
        storage.values.set(key, value instanceof Uint8Array ? value : flippedEntry(value, random))
      },
      cut: (storage, key, random) => {
        const value = storage.values.get(key)
        storage.values.set(key, value instanceof Uint8Array ? value.slice(0, random % value.length) : {})
      },
      replace: (storage, key, random) => storage.values.set(key, [null, undefined, 7, 'text', [], {}, new Uint8Array(48)][random % 7]),
      swap: (storage, key, random) => {
        const kind = key.slice(0, key.indexOf(':'))
        const others = [...storage.values.keys()].filter((other) => other.startsWith(kind))
        storage.values.set(key, storage.values.get(others[random % others.length]!))
      },
      remove: (storage, key) => storage.values.delete(key),
    }
    const damage = fc.record({ how: fc.constantFrom(...Object.keys(damages)), which: fc.nat(), random: fc.nat() })
    await fc.assert(
      fc.asyncProperty(documents, fc.array(damage, { minLength: 1, maxLength: 4 }), async (all, attacks) => {
        const storage = new MemoryStorage()
        const owners = await Promise.all(all.map(owner))
        for (const document of owners) await visit(store(storage), document)
        for (const { how, which, random } of attacks) {
          const keys = [...storage.values.keys()]
          if (keys.length > 0) damages[how]!(storage, keys[which % keys.length]!, random)
        }
        for (const document of owners) {
          // What lies behind a gap is looked at only when the gap is filled.
          for (let visits = 0; visits <= attacks.length; visits++) await visit(store(storage), document)
          expect(await store(storage).read(document)).toEqual(stateOf(document))
        }
      }),
      { numRuns: 300 },
    )
  })

  test('a write that ends at any moment leaves nothing wrong and nothing for ever', async () => {
    const before = await owner([1, 2, 3, 4, 5])
    const after = await owner([1, 2, 3, 4, 5, 6, 7, 8, 9])
    for (let moment = 0; ; moment++) {
      const storage = new MemoryStorage()
      await visit(store(storage), before)
      let operations = moment
      const tick = () => {
        if (operations-- <= 0) storage.broken = new Error('The tab is closed.')
      }
      const set = vi.spyOn(storage, 'set').mockImplementation((...args) => {
        tick()
        return MemoryStorage.prototype.set.apply(storage, args)
      })
      const remove = vi.spyOn(storage, 'delete').mockImplementation((...args) => {
        tick()
        return MemoryStorage.prototype.delete.apply(storage, args)
      })
      await visit(store(storage), after)
      const cutOff = storage.broken !== null
      storage.broken = null
      set.mockRestore()
      remove.mockRestore()
      expect((await store(storage).read(before)).length).toBe(5 * rowWidth)
      await visit(store(storage), after)
      expect(await store(storage).read(after)).toEqual(stateOf(after))
      expect(storage.size).toBe(9 * rowBytes)
      if (!cutOff) break
    }
  })

  test('keeps to its budget; what was used least recently goes first, the end of a document before its beginning', async () => {
    const storage = new MemoryStorage()
    const now = vi.spyOn(Date, 'now')
    const states = store(storage, { budget: 5 * 4 * rowBytes })
    const [a, b, c] = [await owner([1, 1, 1, 1, 1, 1, 1, 1]), await owner([2, 2, 2, 2, 2, 2, 2, 2]), await owner([3, 3, 3, 3, 3, 3, 3, 3])]
    for (const [i, document] of [a, b, a].entries()) {
      now.mockReturnValue(i * 100_000)
      await visit(states, document)
    }
    now.mockReturnValue(300_000)
    await visit(states, c)
    expect(storage.size).toBe(5 * 4 * rowBytes)
    expect((await states.read(b)).length).toBe(4 * rowWidth)
    expect((await states.read(a)).length).toBe(8 * rowWidth)
    expect((await states.read(c)).length).toBe(8 * rowWidth)
    now.mockRestore()
  })

  test('a document larger than the budget keeps its beginning', async () => {
    const storage = new MemoryStorage()
    const states = store(storage, { budget: 2 * 4 * rowBytes })
    const document = await owner(Array.from({ length: 20 }, (_, n) => n))
    await visit(states, document)
    await visit(states, document)
    expect(storage.size).toBe(2 * 4 * rowBytes)
    expect((await states.read(document)).length).toBe(8 * rowWidth)
  })

  test('a full disk takes room from other documents; without any, reading goes on and nothing half-written stays', async () => {
    const storage = new MemoryStorage()
    const [a, b] = [await owner([1, 1, 1, 1, 1, 1, 1, 1]), await owner([2, 2, 2, 2])]
    storage.room = 8 * rowBytes
    await visit(store(storage), a)
    await visit(store(storage), b)
    expect(await store(storage).read(b)).toEqual(stateOf(b))
    expect((await store(storage).read(a)).length).toBe(4 * rowWidth)
    storage.room = storage.size
    const longer = await owner([2, 2, 2, 2, 2, 1])
    storage.values.clear()
    await store(storage).write(b, 0, stateOf(b))
    storage.room = storage.size
    expect(await store(storage).write(longer, 4, stateOf(longer, 4))).toBe(false)
    expect((await store(storage).read(longer)).length).toBe(4 * rowWidth)
    expect(storage.values.size).toBe(2)
  })

  test('a storage that is out of order is as good as none', async () => {
    const storage = new MemoryStorage()
    const document = await owner([1, 2])
    storage.broken = new DOMException('not allowed', 'SecurityError')
    expect(await store(storage).read(document)).toEqual(new Float32Array(0))
    expect(await store(storage).write(document, 0, stateOf(document))).toBe(false)
    await store(storage).forget(document.links)
  })

  test('forgets a document', async () => {
    const storage = new MemoryStorage()
    const [a, b] = [await owner([1, 1, 1, 1, 1]), await owner([2])]
    for (const document of [a, b]) await visit(store(storage), document)
    await store(storage).forget(a.links)
    expect(await store(storage).read(a)).toEqual(new Float32Array(0))
    expect(storage.size).toBe(rowBytes)
  })
})

/** An index entry with another value in one of its fields; what is none any more stays as it is. */
function flippedEntry(entry: unknown, random: number): unknown {
  if (!isEntry(entry)) return entry
  const keys = Object.keys(entry)
  const key = keys[random % keys.length]!
  const value = entry[key]
  if (typeof value === 'number') return { ...entry, [key]: value + 1 }
  if (typeof value === 'string') return { ...entry, [key]: `${value.slice(1)}0` }
  const links = [...(value as string[])]
  const place = random % links.length
  links[place] = links[place]!.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
  return { ...entry, [key]: links }
}

function isEntry(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && 'links' in value
}
