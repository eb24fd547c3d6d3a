import type { Space } from '../space/space'
import type { EncodedSentences } from '../store/encoded-sentences'

/** Most sentences kept in memory; at 1024 dimensions that is 16 MiB. */
const capacity = 4096

/** Encoded sentences of one space: in memory, the least recently used dropped first, and behind it in the store. */
export class SentenceCache {
  readonly #space: Pick<Space, 'dim' | 'encode'>
  readonly #store: EncodedSentences
  /** In order of use, the least recent first. */
  readonly #vectors = new Map<string, Float32Array>()

  constructor(space: Pick<Space, 'dim' | 'encode'>, store: EncodedSentences) {
    this.#space = space
    this.#store = store
  }

  /**
   * Raw concepts `[n, dim]` of the sentences; only those not kept are encoded, each once, and then stored behind the caller's back.
   * @throws as `Space.encode`.
   */
  async encode(sentences: readonly string[], language: string, signal?: AbortSignal): Promise<Float32Array> {
    const { dim } = this.#space
    const found = await this.#find([...new Set(sentences)], language)
    const missing = [...new Set(sentences)].filter((sentence) => !found.has(sentence))
    if (missing.length > 0) {
      const encoded = await this.#space.encode(missing, { language, signal })
      const fresh = new Map(missing.map((sentence, i) => [sentence, encoded.slice(i * dim, (i + 1) * dim)]))
      for (const [sentence, vector] of fresh) found.set(sentence, vector)
      void this.#store.write(fresh, language)
    }
    const result = new Float32Array(sentences.length * dim)
    sentences.forEach((sentence, i) => {
      const vector = found.get(sentence) as Float32Array
      result.set(vector, i * dim)
      this.#keep(key(sentence, language), vector)
    })
    return result
  }

  /** Removes sentences from memory and store. */
  async forget(sentences: readonly string[], language: string): Promise<void> {
    for (const sentence of sentences) this.#vectors.delete(key(sentence, language))
    await this.#store.forget(sentences, language)
  }

  /** Removes everything. */
  async clear(): Promise<void> {
    this.#vectors.clear()
    await this.#store.clear()
  }

  async #find(sentences: readonly string[], language: string): Promise<Map<string, Float32Array>> {
    const found = new Map<string, Float32Array>()
    const take = (sentence: string, vector: Float32Array | null | undefined) => vector && found.set(sentence, vector)
    for (const sentence of sentences) take(sentence, this.#vectors.get(key(sentence, language)))
    const rest = sentences.filter((sentence) => !found.has(sentence))
    if (rest.length > 0) {
      const stored = await this.#store.read(rest, language)
      for (const [i, sentence] of rest.entries()) take(sentence, stored[i])
    }
    return found
  }

  #keep(key: string, vector: Float32Array): void {
    this.#vectors.delete(key)
    this.#vectors.set(key, vector)
    if (this.#vectors.size > capacity) this.#vectors.delete(this.#vectors.keys().next().value as string)
  }
}

function key(sentence: string, language: string): string {
  return `${language}\n${sentence}`
}
