import { InvalidInput, WebGpuUnavailable } from '../errors'
import type { Gpu } from '../gpu'
import { cosineReference } from '../ops'
import type { MemoryChunk, MemorySource, RememberedSentence } from '../store/memory-chunk'
import { type MemoryChange, RememberedConcepts, type RememberedConceptsOptions } from '../store/remembered-concepts'
import { byCosine, ConceptIndex, type IndexHit } from './concept-index'
import { mostResults, type RememberedConcept } from './protocol'

/** The last sentences of a prompt that concepts are recalled for. */
const recallingSentences = 16

export interface ConceptMemoryOptions extends RememberedConceptsOptions {
  /** Bytes of a shard on the GPU. Default: 128 MiB. */
  shardBytes?: number
  /** Bytes of vectors that stay in memory from search to search where there is no GPU. Default: 256 MiB, 262144 vectors of 256 numbers. */
  keptBytes?: number
}

/** A remembered sentence with what leads to it in the store. */
interface Hit extends IndexHit {
  chunk: MemoryChunk
}

/**
 * Concepts remembered in one space, and the search among them. The store is the source of truth; a GPU has a copy of the vectors, made at the first
 * search and again when another tab has written. Without a GPU, or without room on it, everything is compared by the plain definition of the search,
 * from memory as far as that may be kept there, else read through in the store. All give the same result to the last bit.
 */
export class ConceptMemory {
  readonly #dim: number
  readonly #store: RememberedConcepts
  readonly #openGpu: () => Promise<Gpu>
  readonly #shardBytes: number | undefined
  readonly #keptBytes: number
  #index: { gpu: Gpu; concepts: ConceptIndex; revision: string } | undefined
  /** What the store has, as it was found when it was last read through. */
  #kept: { revision: string; chunks: Map<string, MemoryChunk> } | undefined
  /** Whether the GPU had no room for the index. */
  #tooLarge = false

  /**
   * @param space.fingerprint says what the vectors depend on beside language and text
   * @param gpu may reject with WebGpuUnavailable
   */
  constructor(
    space: { fingerprint: string; dim: number },
    gpu: () => Promise<Gpu>,
    { shardBytes, keptBytes = 2 ** 28, ...options }: ConceptMemoryOptions = {},
  ) {
    this.#dim = space.dim
    this.#store = new RememberedConcepts(space, options)
    this.#openGpu = gpu
    this.#shardBytes = shardBytes
    this.#keptBytes = keptBytes
  }

  size(): Promise<number> {
    return this.#store.size()
  }

  has(source: MemorySource): Promise<boolean> {
    return this.#store.has(source)
  }

  /** As `RememberedConcepts.replace`. */
  async replace(source: MemorySource, sentences: readonly RememberedSentence[]): Promise<void> {
    await this.#follow(await this.#store.replace(source, sentences))
  }

  /** As `RememberedConcepts.append`. */
  async append(source: MemorySource, sentences: readonly RememberedSentence[]): Promise<void> {
    if (sentences.length > 0) await this.#follow(await this.#store.append(source, sentences))
  }

  /** Removes a source, or everything there is; in all spaces. */
  async forget(source?: MemorySource): Promise<void> {
    await this.#follow(await this.#store.forget(source))
    if (!source) this.#release()
    this.#tooLarge = false
  }

  /** Texts of a source by language. */
  async texts(source: MemorySource): Promise<Map<string, string[]>> {
    const texts = new Map<string, string[]>()
    for await (const chunks of this.#store.chunks()) {
      for (const { sentences, source: other } of chunks) {
        if (other.kind !== source.kind || other.id !== source.id) continue
        for (const { text, language } of sentences) texts.set(language, [...(texts.get(language) ?? []), text])
      }
    }
    return texts
  }

  /**
   * The k remembered concepts with the highest cosine to any of the queries, best first; equals in the order of kind, id and place of their source.
   * A concept or a query of zeros is like nothing.
   *
   * @param queries raw concepts [q, dim], finite
   * @param isWanted leaves out the sentences for which it is false
   * @throws InvalidInput, StorageUnavailable.
   */
  async search(
    queries: Float32Array,
    k: number,
    isWanted: (sentence: { text: string; source: MemorySource }) => boolean = () => true,
  ): Promise<RememberedConcept[]> {
    if (queries.length === 0 || queries.length % this.#dim !== 0 || !queries.every(Number.isFinite)) {
      throw new InvalidInput(`What to search for must have ${this.#dim} finite numbers.`)
    }
    if (!Number.isSafeInteger(k) || k < 1 || k > mostResults)
      throw new InvalidInput(`A search finds 1 to ${mostResults} concepts, not ${k}.`)
    const wanted = ({ chunk, offset }: Hit) => isWanted({ text: chunk.sentences[offset]!.text, source: chunk.source })
    const hits = (await this.#searchIndex(queries, k, wanted)) ?? (await this.#scan(queries, k, wanted))
    return hits.map(({ chunk, offset, cosine }) => ({
      ...chunk.sentences[offset]!,
      embedding: chunk.vectors.slice(offset * this.#dim, (offset + 1) * this.#dim),
      score: cosine,
      source: { ...chunk.source, index: chunk.first + offset },
    }))
  }

  /**
   * The k remembered concepts most like one of the last sentences of a prompt, best first; not the prompt's own sentences.
   * @param document in which the prompt stands, if it does
   */
  recall(prompt: { sentences: readonly string[]; concepts: Float32Array }, k: number, document?: string): Promise<RememberedConcept[]> {
    const own = new Set(prompt.sentences)
    const queries = prompt.concepts.subarray(Math.max(0, prompt.concepts.length - recallingSentences * this.#dim))
    const isForeign = ({ kind, id }: MemorySource) => kind !== 'document' || id !== document
    return this.search(queries, k, ({ text, source }) => isForeign(source) && !own.has(text))
  }

  /** Null where the GPU cannot tell: there is none, it was lost, it has no room, or too many concepts are alike. */
  async #searchIndex(queries: Float32Array, k: number, wanted: (hit: Hit) => boolean): Promise<Hit[] | null> {
    try {
      for (let count = k; count <= mostResults; count *= 4) {
        const index = await this.#upToDateIndex()
        const lists = await index?.search(queries, count)
        if (!lists) return null
        const hits = await this.#withChunks(merge(lists).slice(0, count))
        if (!hits) return null
        const found = hits.filter(wanted).slice(0, k)
        if (found.length === k || lists.every((list) => list.length < count)) return found
      }
      return null
    } catch (error) {
      const code = this.#giveUp(error)
      if (code !== 'kernel-error' && code !== 'device-lost') throw error
      return null
    }
  }

  /** The hits with their chunks as the index knows them; null, and no index any more, when the store has others. */
  async #withChunks(hits: readonly IndexHit[]): Promise<Hit[] | null> {
    const keys = [...new Set(hits.map(({ rows }) => rows.key))]
    const chunks = new Map((await this.#store.read(keys)).map((chunk, i) => [keys[i], chunk]))
    const whole = hits.flatMap((hit) => {
      const chunk = chunks.get(hit.rows.key)
      return chunk?.checksum === hit.rows.checksum ? [{ ...hit, chunk }] : []
    })
    if (whole.length === hits.length) return whole
    this.#release()
    return null
  }

  async #upToDateIndex(): Promise<ConceptIndex | null> {
    if (this.#tooLarge) return null
    const gpu = await this.#openGpu().catch((error) => {
      if (error instanceof WebGpuUnavailable) return null
      throw error
    })
    if (!gpu) return null
    const revision = await this.#store.revision()
    if (this.#index?.gpu === gpu && this.#index.revision === revision) return this.#index.concepts
    this.#release()
    const concepts = await ConceptIndex.open(gpu, this.#dim, this.#shardBytes)
    this.#index = { gpu, concepts, revision }
    for await (const chunks of this.#store.chunks()) {
      // Whether there is room is told to this call, before more is read, and to no other.
      await gpu.attempt(() => {
        for (const chunk of chunks) concepts.put(chunk, chunk.vectors)
      })
    }
    return concepts
  }

  /** Does in memory and on the GPU what was done to the store, unless another tab's write came between. */
  async #follow({ before, after, put, gone }: MemoryChange): Promise<void> {
    const kept = this.#kept?.revision === before ? this.#kept : undefined
    this.#kept = undefined
    if (kept) {
      for (const key of gone) kept.chunks.delete(key)
      for (const chunk of put) kept.chunks.set(chunk.key, chunk)
      if (bytesOf(kept.chunks.values()) <= this.#keptBytes) this.#kept = { ...kept, revision: after }
    }
    const index = this.#index
    if (index?.revision !== before) return
    const { gpu, concepts } = index
    try {
      await gpu.attempt(() => {
        for (const key of gone) concepts.delete(key)
        for (const chunk of put) concepts.put(chunk, chunk.vectors)
        index.revision = after
      })
    } catch (error) {
      this.#giveUp(error)
    }
  }

  /** Lets go of the index after an error, for good where the GPU has no room for it. @returns the error's code */
  #giveUp(error: unknown): string | undefined {
    this.#release()
    const { code } = error as { code?: string }
    if (code === 'kernel-error') this.#tooLarge = true
    return code
  }

  #release(): void {
    this.#index?.concepts.destroy()
    this.#index = undefined
    this.#kept = undefined
  }

  /** Everything in the store, a few chunks at a time; from memory when nothing has been written since it was read. */
  async *#chunks(): AsyncGenerator<Iterable<MemoryChunk>> {
    const revision = await this.#store.revision()
    if (this.#kept?.revision === revision) return yield this.#kept.chunks.values()
    this.#kept = undefined
    const chunks = new Map<string, MemoryChunk>()
    let bytes = 0
    for await (const some of this.#store.chunks()) {
      yield some
      bytes += bytesOf(some)
      if (bytes > this.#keptBytes) chunks.clear()
      else for (const chunk of some) chunks.set(chunk.key, chunk)
    }
    if (bytes <= this.#keptBytes) this.#kept = { revision, chunks }
  }

  /** The definition of the search, over everything there is. */
  async #scan(queries: Float32Array, k: number, wanted: (hit: Hit) => boolean): Promise<Hit[]> {
    const split = Array.from({ length: queries.length / this.#dim }, (_, i) => queries.subarray(i * this.#dim, (i + 1) * this.#dim))
    let best: Hit[] = []
    for await (const chunks of this.#chunks()) {
      for (const chunk of chunks) {
        const least = best.length < k ? -1 : best[k - 1]!.cosine
        const hits = chunk.sentences.flatMap((_, offset): Hit[] => {
          const vector = chunk.vectors.subarray(offset * this.#dim, (offset + 1) * this.#dim)
          const cosines = split.map((query) => cosineReference(query, vector) ?? -2)
          const hit = { rows: { key: chunk.key, checksum: chunk.checksum }, offset, cosine: Math.max(...cosines), chunk }
          return hit.cosine >= least && wanted(hit) ? [hit] : []
        })
        if (hits.length > 0) best = [...best, ...hits].sort(byCosine).slice(0, k)
      }
    }
    return best
  }
}

function bytesOf(chunks: Iterable<MemoryChunk>): number {
  let bytes = 0
  for (const { vectors } of chunks) bytes += vectors.byteLength
  return bytes
}

/** Each concept once, with its best cosine to any query. */
function merge(lists: readonly IndexHit[][]): IndexHit[] {
  const best = new Map<string, IndexHit>()
  for (const hit of lists.flat()) {
    const name = `${hit.rows.key}\n${hit.offset}`
    if (!((best.get(name)?.cosine ?? -2) >= hit.cosine)) best.set(name, hit)
  }
  return [...best.values()].sort(byCosine)
}
