import { exclusive } from './exclusive'
import { commonLength, type PrefixChain } from './prefix-chain'
import {
  byteLength,
  describeChunk,
  firstLinkOf,
  indexKey,
  indexKeyOf,
  isWhole,
  mostRows,
  parseChunk,
  rowsKey,
  type StateChunk,
} from './state-chunk'
import { indexedDbStorage, type Storage } from './storage'

export interface ConceptStatesOptions {
  /** Default: IndexedDB. */
  storage?: Storage
  /** Bytes of rows kept at most. Default 256 MiB. */
  budget?: number
  /** Bytes of a chunk, unless one row alone is larger. Default 1 MiB. */
  chunkBytes?: number
}

/** A document as the store knows it. */
export interface StateOwner {
  links: PrefixChain
  /** Numbers in a row of state. */
  rowWidth: number
}

/** An entry is marked as used at most this often, in milliseconds. */
const usePrecision = 60_000

/**
 * What concept models keep of documents, row by row, across visits. A row is found by its link in the document's hash chain, so documents with
 * the same beginning share its rows. Rows lie in chunks that start at multiples of `chunkRows`; a longer chunk replaces the shorter one that it
 * goes on from. The rows are written first and their index entry last: a chunk that is cut off half-way does not exist.
 *
 * No method rejects: what cannot be read is computed again, what cannot be written is not kept. What is read is compared with its SHA-256.
 */
export class ConceptStates {
  readonly #storage: Storage
  readonly #budget: number
  readonly #chunkBytes: number
  #swept = false

  constructor({ storage = indexedDbStorage('noema-states'), budget = 256 * 2 ** 20, chunkBytes = 2 ** 20 }: ConceptStatesOptions = {}) {
    this.#storage = storage
    this.#budget = budget
    this.#chunkBytes = chunkBytes
  }

  /** Rows in a full chunk: a power of two. */
  chunkRows(rowWidth: number): number {
    const rows = this.#chunkBytes / (rowWidth * Float32Array.BYTES_PER_ELEMENT)
    return 2 ** Math.max(0, Math.floor(Math.log2(Math.min(rows, mostRows))))
  }

  /**
   * The rows of the longest stored beginning of a document.
   * @param from rows that the caller has already
   * @returns rows [from, from + n), [n, rowWidth]; none when nothing beyond `from` is stored.
   */
  async read(owner: StateOwner, from = 0): Promise<Float32Array> {
    try {
      return await this.#read(owner, from)
    } catch {
      return new Float32Array(0)
    }
  }

  /**
   * Keeps rows of a document and marks the chunks of the whole document as used. Chunks least recently used by other documents make room.
   * @param start position of the first of the rows, a multiple of `chunkRows`; before it everything is stored
   * @param rows [links.length − start, rowWidth]
   * @returns whether all of the rows are stored.
   */
  async write(owner: StateOwner, start: number, rows: Float32Array): Promise<boolean> {
    try {
      // Two tabs that make room at once would make too much of it.
      return await exclusive('noema-states', undefined, () => this.#write(owner, start, rows))
    } catch {
      return false
    }
  }

  /** Removes every chunk that holds a row of the document. What other documents share with it they will compute again. */
  async forget(links: PrefixChain): Promise<void> {
    try {
      const own = new Set(links)
      await this.#remove((await this.#chunks()).filter((chunk) => own.has(chunk.links[0]!)))
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

  async #read({ links, rowWidth }: StateOwner, from: number): Promise<Float32Array> {
    const size = this.chunkRows(rowWidth)
    const firstLinks = new Set(links.filter((_, position) => position % size === 0))
    const chunks = await this.#chunks((first) => firstLinks.has(first))
    const found: { chunk: StateChunk; count: number }[] = []
    for (let start = from - (from % size); start < links.length; start += size) {
      const best = longestRun(chunks, { links, rowWidth }, start)
      if (!best) break
      found.push(best)
      if (best.count < size) break
    }
    // Each is checked while others are on their way.
    const contents = await Promise.all(found.map(({ chunk }) => this.#content(chunk)))
    await this.#remove(found.filter((_, i) => !contents[i]).map(({ chunk }) => chunk))
    const usable = contents.includes(null) ? found.slice(0, contents.indexOf(null)) : found

    const end = usable.reduce((_, { chunk, count }) => chunk.start + count, from)
    const rows = new Float32Array(Math.max(0, end - from) * rowWidth)
    for (const [i, { chunk, count }] of usable.entries()) {
      const skipped = Math.max(0, from - chunk.start)
      if (skipped < count)
        rows.set(
          floats(contents[i] as Uint8Array).subarray(skipped * rowWidth, count * rowWidth),
          (chunk.start + skipped - from) * rowWidth,
        )
    }
    return rows
  }

  /** The rows of a chunk, or null when they are not the very ones that were stored. */
  async #content(chunk: StateChunk): Promise<Uint8Array | null> {
    const content = await this.#storage.get(rowsKey(chunk))
    return (await isWhole(chunk, content)) ? (content as Uint8Array) : null
  }

  async #write({ links, rowWidth }: StateOwner, from: number, rows: Float32Array): Promise<boolean> {
    const size = this.chunkRows(rowWidth)
    const own = new Set(links)
    // One time for all: where room is needed, the end of a document goes before its beginning.
    const used = Date.now()
    const chunks = await this.#chunks()
    await this.#sweep()
    await this.#discard(replaced(chunks, own), chunks)
    // On a full disk this fails, and what comes after makes room.
    await this.#markUsed(chunks.filter((chunk) => own.has(chunk.links[0]!))).catch(() => {})
    for (let start = from; start < links.length; start += size) {
      const run = links.slice(start, start + size)
      if (chunks.some((chunk) => chunk.start === start && chunk.rowWidth === rowWidth && beginsWith(chunk.links, run))) continue
      const content = new Uint8Array(rows.slice((start - from) * rowWidth, (start - from + run.length) * rowWidth).buffer)
      const chunk = await describeChunk({ start, rowWidth, links: run, used }, content)
      if (!(await this.#store(chunk, content, { chunks, own }))) return false
      chunks.push(chunk)
    }
    await this.#discard(replaced(chunks, own), chunks)
    return true
  }

  /** Makes room within the budget, and once more, for a quarter of what is kept, when the disk is full. */
  async #store(chunk: StateChunk, content: Uint8Array, among: { chunks: StateChunk[]; own: ReadonlySet<string> }): Promise<boolean> {
    const total = among.chunks.reduce((sum, other) => sum + byteLength(other), 0)
    if (!(await this.#evict(total + content.length - this.#budget, among))) return false
    try {
      await this.#put(chunk, content)
    } catch (error) {
      if (!(error instanceof Error && error.name === 'QuotaExceededError')) throw error
      if (!(await this.#evict(Math.max(content.length, total / 4), among))) return false
      await this.#put(chunk, content)
    }
    return true
  }

  async #put(chunk: StateChunk, content: Uint8Array): Promise<void> {
    try {
      await this.#storage.set(rowsKey(chunk), content)
      await this.#storage.set(indexKey(chunk), chunk)
    } catch (error) {
      await this.#remove([chunk]).catch(() => {})
      throw error
    }
  }

  /**
   * Removes chunks of other documents, the least recently used first and the end of a document before its beginning, until `bytes` are free.
   * @returns whether they are.
   */
  async #evict(bytes: number, { chunks, own }: { chunks: StateChunk[]; own: ReadonlySet<string> }): Promise<boolean> {
    const foreign = chunks.filter(({ links }) => !own.has(links[0]!)).sort((a, b) => a.used - b.used || b.start - a.start)
    const evicted: StateChunk[] = []
    let freed = 0
    for (const chunk of foreign) {
      if (freed >= bytes) break
      freed += byteLength(chunk)
      evicted.push(chunk)
    }
    if (freed < bytes) return false
    await this.#discard(evicted, chunks)
    return true
  }

  async #markUsed(chunks: readonly StateChunk[]): Promise<void> {
    const now = Date.now()
    const stale = chunks.filter(({ used }) => Math.abs(now - used) >= usePrecision)
    for (const chunk of stale) chunk.used = now
    if (stale.length > 0) await this.#storage.setMany(stale.map((chunk) => [indexKey(chunk), chunk]))
  }

  /** Once a visit: removes rows without an index entry, which a write that was cut off leaves behind. */
  async #sweep(): Promise<void> {
    if (this.#swept) return
    this.#swept = true
    const keys = new Set(await this.#storage.keys())
    const orphans = [...keys].filter((key) => {
      const index = indexKeyOf(key)
      return index !== null && !keys.has(index)
    })
    if (orphans.length > 0) await this.#storage.delete(orphans)
  }

  /** The index entries of the chunks whose first link is wanted; entries that are not what they must be are removed. */
  async #chunks(wanted: (firstLink: string) => boolean = () => true): Promise<StateChunk[]> {
    const keys = (await this.#storage.keys()).filter((key) => {
      const first = firstLinkOf(key)
      return first !== null && wanted(first)
    })
    if (keys.length === 0) return []
    const entries = await this.#storage.getMany(keys)
    const chunks = keys.map((key, i) => parseChunk(key, entries[i]))
    const bad = keys.filter((_, i) => !chunks[i])
    if (bad.length > 0) await this.#storage.delete(bad)
    return chunks.filter((chunk) => chunk !== null)
  }

  async #discard(some: readonly StateChunk[], chunks: StateChunk[]): Promise<void> {
    await this.#remove(some)
    for (const chunk of some) chunks.splice(chunks.indexOf(chunk), 1)
  }

  /** The index entry goes first, so that at no moment it names rows that are gone. */
  async #remove(chunks: readonly StateChunk[]): Promise<void> {
    if (chunks.length === 0) return
    await this.#storage.delete(chunks.map(indexKey))
    await this.#storage.delete(chunks.map(rowsKey))
  }
}

/** The chunk at `start` that goes along with the document for the most rows. */
function longestRun(
  chunks: readonly StateChunk[],
  { links, rowWidth }: StateOwner,
  start: number,
): { chunk: StateChunk; count: number } | null {
  const rest = links.slice(start, start + mostRows)
  let best: { chunk: StateChunk; count: number } | null = null
  for (const chunk of chunks) {
    if (chunk.start !== start || chunk.rowWidth !== rowWidth) continue
    const count = commonLength(chunk.links, rest)
    if (count > (best?.count ?? 0)) best = { chunk, count }
  }
  return best
}

/** The chunks of a document that a longer one goes on from. */
function replaced(chunks: readonly StateChunk[], own: ReadonlySet<string>): StateChunk[] {
  const candidates = chunks.filter(({ links }) => own.has(links[0]!))
  return candidates.filter(({ links, start, rowWidth }) =>
    candidates.some(
      (other) =>
        other.links.length > links.length && other.start === start && other.rowWidth === rowWidth && beginsWith(other.links, links),
    ),
  )
}

function beginsWith(links: PrefixChain, beginning: PrefixChain): boolean {
  return commonLength(links, beginning) === beginning.length
}

function floats(bytes: Uint8Array): Float32Array {
  return bytes.byteOffset % 4 === 0
    ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
    : new Float32Array(bytes.slice().buffer)
}
