import { NoemaError, QuotaExceeded } from '../errors'
import {
  chunkKey,
  chunkSentences,
  chunkValue,
  headKey,
  type MemoryChunk,
  type MemorySource,
  makeChunk,
  parseChunk,
  parseChunkKey,
  parseHeadKey,
  type RememberedSentence,
  rowsOf,
} from './memory-chunk'
import { indexedDbStorage, type Storage } from './storage'
import { storageFailure } from './storage-failure'

export interface RememberedConceptsOptions {
  /** Default: IndexedDB. */
  storage?: Storage
  /** Most sentences kept in one space. Default 1,000,000. */
  capacity?: number
}

/** What a write changed. */
export interface MemoryChange {
  /** The store's revision before it and after it. */
  before: string
  after: string
  /** Chunks that are new or have other contents. */
  put: MemoryChunk[]
  /** Keys of chunks that are gone. */
  gone: string[]
}

const revisionKey = 'revision'
/** Chunks read at once: at 1024 dimensions 16 MiB. */
const chunksAtOnce = 64

/**
 * Sentences with their concepts and where they came from, across visits, by space. A source's sentences lie in chunks; a write changes chunks and
 * head in one transaction, so a source is as it was before or as it is after. Nothing is thrown out to make room. A chunk that is damaged is left
 * out, never trusted. Each write gives the store another revision, by which a reader in any tab sees that what it knows is out of date.
 *
 * Every method may reject with StorageUnavailable.
 */
export class RememberedConcepts {
  readonly #space: { fingerprint: string; dim: number }
  readonly #storage: Storage
  readonly #capacity: number

  /** @param space.fingerprint says what the vectors depend on beside language and text. */
  constructor(
    space: { fingerprint: string; dim: number },
    { storage = indexedDbStorage('noema-memory'), capacity = 1_000_000 }: RememberedConceptsOptions = {},
  ) {
    this.#space = space
    this.#storage = storage
    this.#capacity = capacity
  }

  /** Sentences remembered in this space. */
  size(): Promise<number> {
    return this.#guarded(async () => sum((await this.#lengths()).values()))
  }

  /** Another text after every write. */
  revision(): Promise<string> {
    return this.#guarded(() => this.#revision())
  }

  /** Whether a source is remembered, in any space; it may have no sentences. */
  has(source: MemorySource): Promise<boolean> {
    return this.#guarded(async () => {
      const heads = (await this.#storage.keys()).filter((key) => parseHeadKey(key) && isOf(source, key))
      return heads.length > 0 && (await this.#storage.getMany(heads)).some((head) => head !== null)
    })
  }

  /**
   * Makes the sentences of a source these; in other spaces it is forgotten. Chunks that stay the same, and are whole, are not written.
   * @throws QuotaExceeded when there would be too many sentences or the browser's storage is full; then nothing is changed.
   */
  replace(source: MemorySource, sentences: readonly RememberedSentence[]): Promise<MemoryChange> {
    return this.#write(async (keys) => {
      const count = Math.ceil(sentences.length / chunkSentences)
      const old = await this.#storage.getMany(Array.from({ length: count }, (_, n) => chunkKey(this.#space.fingerprint, source, n)))
      const put: MemoryChunk[] = []
      for (let n = 0; n < count; n++) {
        const rows = sentences.slice(n * chunkSentences, (n + 1) * chunkSentences)
        const chunk = makeChunk(this.#space.fingerprint, source, n, rows, this.#space.dim)
        if (parseChunk(chunk.key, old[n], this.#space.dim)?.checksum !== chunk.checksum) put.push(chunk)
      }
      const gone = keys.filter(
        (key) => isOf(source, key) && key !== headKey(this.#space.fingerprint, source) && !this.#isChunkBelow(key, count),
      )
      return { source, length: sentences.length, put, gone }
    })
  }

  /**
   * Adds sentences to a source, or begins one.
   * @throws as `replace`.
   */
  append(source: MemorySource, sentences: readonly RememberedSentence[]): Promise<MemoryChange> {
    return this.#write(async (keys) => {
      const count = keys.filter((key) => isOf(source, key) && parseChunkKey(key)?.space === this.#space.fingerprint).length
      const [last] = count === 0 ? [] : await this.read([chunkKey(this.#space.fingerprint, source, count - 1)])
      const isOpen = last && last.sentences.length < chunkSentences
      const start = isOpen ? count - 1 : count
      const rows = [...(isOpen ? rowsOf(last) : []), ...sentences]
      const put = Array.from({ length: Math.ceil(rows.length / chunkSentences) }, (_, n) =>
        makeChunk(this.#space.fingerprint, source, start + n, rows.slice(n * chunkSentences, (n + 1) * chunkSentences), this.#space.dim),
      )
      return { source, length: start * chunkSentences + rows.length, put, gone: [] }
    })
  }

  /** Removes a source, or everything there is, in all spaces. */
  forget(source?: MemorySource): Promise<MemoryChange> {
    return this.#write(async (keys) => ({ put: [], gone: keys.filter((key) => key !== revisionKey && (!source || isOf(source, key))) }))
  }

  /** All chunks of this space, in the order of their keys, a few at a time. */
  async *chunks(): AsyncGenerator<MemoryChunk[]> {
    const keys = await this.#guarded(() => this.#storage.keys())
    const own = keys.filter((key) => parseChunkKey(key)?.space === this.#space.fingerprint).sort(inOrder)
    for (let start = 0; start < own.length; start += chunksAtOnce) {
      const chunks = await this.read(own.slice(start, start + chunksAtOnce))
      yield chunks.filter((chunk) => chunk !== null)
    }
  }

  /** Chunks by key; null where there is none or it is damaged. */
  read(keys: readonly string[]): Promise<(MemoryChunk | null)[]> {
    return this.#guarded(async () => {
      const values = keys.length > 0 ? await this.#storage.getMany([...keys]) : []
      return keys.map((key, i) => parseChunk(key, values[i], this.#space.dim))
    })
  }

  /** One write at a time, in all tabs. New contents and the source's length are stored in one transaction; what is gone is removed after it. */
  #write(
    plan: (keys: string[]) => Promise<{ source?: MemorySource; length?: number; put: MemoryChunk[]; gone: string[] }>,
  ): Promise<MemoryChange> {
    return this.#guarded(() =>
      exclusively(async () => {
        const { source, length = 0, put, gone } = await plan(await this.#storage.keys())
        const before = await this.#revision()
        const after = crypto.getRandomValues(new Uint32Array(4)).join('-')
        const entries: [string, unknown][] = [
          [revisionKey, after],
          ...put.map((chunk): [string, unknown] => [chunk.key, chunkValue(chunk)]),
        ]
        if (source) {
          const head = headKey(this.#space.fingerprint, source)
          await this.#requireRoom(head, length)
          entries.push([head, { length }])
        }
        // A chunk that is to go has no value until it is gone: a tab that ends here leaves nothing of it to be found.
        entries.push(...gone.map((key): [string, unknown] => [key, null]))
        await this.#storage.setMany(entries)
        if (gone.length > 0) await this.#storage.delete(gone)
        return { before, after, put, gone: gone.filter((key) => parseChunkKey(key)) }
      }),
    )
  }

  async #requireRoom(head: string, length: number): Promise<void> {
    const lengths = await this.#lengths()
    const size = sum(lengths.values()) - (lengths.get(head) ?? 0) + length
    if (size <= this.#capacity || length <= (lengths.get(head) ?? 0)) return
    throw new QuotaExceeded(`The concept memory holds ${this.#capacity} sentences and would have ${size}: forget some first.`, {
      size,
      capacity: this.#capacity,
    })
  }

  /** Sentences of each source of this space, by the key of its head. */
  async #lengths(): Promise<Map<string, number>> {
    const heads = (await this.#storage.keys()).filter((key) => parseHeadKey(key)?.space === this.#space.fingerprint)
    const values = heads.length > 0 ? await this.#storage.getMany(heads) : []
    return new Map(heads.map((key, i) => [key, lengthOf(values[i])]))
  }

  async #revision(): Promise<string> {
    const value = await this.#storage.get(revisionKey)
    return typeof value === 'string' ? value : ''
  }

  #isChunkBelow(key: string, count: number): boolean {
    const name = parseChunkKey(key)
    return name?.space === this.#space.fingerprint && name.chunk < count
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      if (cause instanceof NoemaError) throw cause
      throw await storageFailure(cause, 'remembered sentences', 'nothing more is remembered')
    }
  }
}

function isOf({ kind, id }: MemorySource, key: string): boolean {
  const source = (parseHeadKey(key) ?? parseChunkKey(key))?.source
  return source?.kind === kind && source.id === id
}

function lengthOf(head: unknown): number {
  const { length } = (head ?? {}) as { length?: unknown }
  return Number.isSafeInteger(length) && (length as number) > 0 ? (length as number) : 0
}

function inOrder(a: string, b: string): number {
  return a < b ? -1 : 1
}

function sum(values: Iterable<number>): number {
  return [...values].reduce((total, value) => total + value, 0)
}

/** While no other tab is inside; where the browser has no locks, at once. */
function exclusively<T>(task: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks
  return locks ? (locks.request('noema-memory', task) as Promise<T>) : task()
}
