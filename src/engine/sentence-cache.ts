import type { Space } from '../space/space'

/** Most sentences kept; at 1024 dimensions that is 16 MiB. */
const capacity = 4096

/** Encoded sentences of one space, least recently used dropped first. */
export class SentenceCache {
  /** In order of use, the least recent first. */
  readonly #vectors = new Map<string, Float32Array>()

  /** Raw concepts `[n, dim]` of the sentences; only those not kept are encoded, each once. */
  async encode(space: Space, sentences: readonly string[], language: string, signal?: AbortSignal): Promise<Float32Array> {
    const { dim } = space
    const missing = [...new Set(sentences.filter((sentence) => !this.#vectors.has(key(sentence, language))))]
    const found = new Map(sentences.map((sentence) => [sentence, this.#vectors.get(key(sentence, language))]))
    if (missing.length > 0) {
      const encoded = await space.encode(missing, { language, signal })
      missing.forEach((sentence, i) => {
        found.set(sentence, encoded.slice(i * dim, (i + 1) * dim))
      })
    }
    const result = new Float32Array(sentences.length * dim)
    sentences.forEach((sentence, i) => {
      const vector = found.get(sentence) as Float32Array
      result.set(vector, i * dim)
      this.#keep(key(sentence, language), vector)
    })
    return result
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
