import { crc32 } from '../formats/crc32'
import { indexedDbStorage, type Storage } from './storage'

export interface EncodedSentencesOptions {
  /** Default: IndexedDB. */
  storage?: Storage
  /** Most sentences kept, of all spaces together; at 1024 dimensions 16384, the default, are 64 MiB. */
  capacity?: number
}

/** The space that sentences were encoded in. */
export interface SentenceSpace {
  /** Says what the vectors depend on beside language and text. */
  fingerprint: string
  dim: number
}

interface Entry {
  vector: Float32Array
  /** CRC-32 of the key and the vector. */
  checksum: number
  /** When it was last used, to the day, in milliseconds since 1970. */
  used: number
}

const day = 86_400_000

/** Longer texts are not kept: nobody's sentence, and a key should be short. */
const longestText = 2000

/** Concepts of sentences across visits, by (space, language, text). No method rejects: a sentence that is not found is encoded again. */
export class EncodedSentences {
  readonly #space: SentenceSpace
  readonly #storage: Storage
  readonly #capacity: number

  constructor(space: SentenceSpace, { storage = indexedDbStorage('noema-sentences'), capacity = 16_384 }: EncodedSentencesOptions = {}) {
    this.#space = space
    this.#storage = storage
    this.#capacity = capacity
  }

  /** The raw concept [dim] of each sentence, or null where it is not kept or is damaged. */
  async read(sentences: readonly string[], language: string): Promise<(Float32Array | null)[]> {
    try {
      const keys = sentences.map((sentence) => this.#key(sentence, language))
      const entries = await this.#storage.getMany(keys)
      const vectors = keys.map((key, i) => this.#vector(key, entries[i]))
      const stale = keys.flatMap((key, i) => {
        const vector = vectors[i]
        return vector && Math.abs(Date.now() - (entries[i] as Entry).used) > day ? [entryOf(key, vector)] : []
      })
      if (stale.length > 0) this.#storage.setMany(stale).catch(() => {})
      return vectors
    } catch {
      return sentences.map(() => null)
    }
  }

  /** Keeps the concepts [dim] of sentences; those used least recently make room. */
  async write(concepts: ReadonlyMap<string, Float32Array>, language: string): Promise<void> {
    try {
      const kept = [...concepts].filter(([sentence]) => sentence.length <= longestText)
      await this.#storage.setMany(kept.map(([sentence, vector]) => entryOf(this.#key(sentence, language), vector)))
      await this.#makeRoom()
    } catch {
      // They are encoded again next time.
    }
  }

  async forget(sentences: readonly string[], language: string): Promise<void> {
    try {
      await this.#storage.delete(sentences.map((sentence) => this.#key(sentence, language)))
    } catch {
      // The store is out of order: there is nothing more to be done.
    }
  }

  /** Removes everything. */
  async clear(): Promise<void> {
    try {
      const keys = await this.#storage.keys()
      if (keys.length > 0) await this.#storage.delete(keys)
    } catch {
      // The store is out of order: there is nothing more to be done.
    }
  }

  /** Over capacity an eighth goes at once, so that this is rare. */
  async #makeRoom(): Promise<void> {
    const keys = await this.#storage.keys()
    if (keys.length <= this.#capacity) return
    const entries = (await this.#storage.getMany(keys)) as (Partial<Entry> | undefined)[]
    const ages = keys.map((key, i) => ({ key, used: Number(entries[i]?.used) || 0 })).sort((a, b) => a.used - b.used)
    await this.#storage.delete(ages.slice(0, keys.length - Math.floor((this.#capacity * 7) / 8)).map(({ key }) => key))
  }

  #key(sentence: string, language: string): string {
    return `${this.#space.fingerprint}\n${language}\n${sentence}`
  }

  #vector(key: string, value: unknown): Float32Array | null {
    const { vector, checksum } = (value ?? {}) as Partial<Record<keyof Entry, unknown>>
    if (!(vector instanceof Float32Array) || vector.length !== this.#space.dim) return null
    return checksum === checksumOf(key, vector) ? vector : null
  }
}

function entryOf(key: string, vector: Float32Array): [string, Entry] {
  return [key, { vector, checksum: checksumOf(key, vector), used: Date.now() }]
}

function checksumOf(key: string, vector: Float32Array): number {
  return crc32(new TextEncoder().encode(key), new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength))
}
