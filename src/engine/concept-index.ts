import type { Gpu, Tensor } from '../gpu'
import {
  bestRows,
  type CosineSearch,
  cosineErrorBound,
  cosineReference,
  loadCosineSearch,
  packedWidth,
  packRows,
  rankedRows,
  searchTile,
} from '../ops'

/** Vectors that belong together, in an order. */
export interface IndexedRows {
  key: string
  checksum: number
}

/** Where a found row is: the `offset`-th of what was put under a key. */
export interface IndexHit {
  rows: IndexedRows
  offset: number
  /** Exact: computed in f64 from the f32 vectors. */
  cosine: number
}

interface Slot extends IndexedRows {
  start: number
  capacity: number
}

/** Rows of the first buffer; it doubles until a shard is full. */
const firstRows = 1024

/**
 * Vectors in GPU memory that are searched by cosine, exactly: the kernel finds candidates among all of them in f32, which are then ranked in f64.
 * The rows lie in shards, each one binding (128 MiB: 131072 rows of 256 numbers), searched in one submission. Rows of zeros are free.
 */
export class ConceptIndex {
  readonly #gpu: Gpu
  readonly #search: CosineSearch
  readonly #dim: number
  readonly #shardRows: number
  readonly #shards: Tensor[] = []
  readonly #slots = new Map<string, Slot>()
  /** The slot that each row belongs to. */
  readonly #owners: (Slot | undefined)[] = []
  /** First rows of free slots, by their capacity. */
  readonly #free = new Map<number, number[]>()
  /** Rows given out so far; the shards may have more. */
  #end = 0

  private constructor(gpu: Gpu, search: CosineSearch, dim: number, shardBytes: number) {
    this.#gpu = gpu
    this.#search = search
    this.#dim = dim
    this.#shardRows = 2 ** Math.floor(Math.log2(shardBytes / (packedWidth(dim) * Float32Array.BYTES_PER_ELEMENT)))
  }

  /** @param shardBytes default: 128 MiB, the largest binding that every device has. @throws KernelError, DeviceLost. */
  static async open(gpu: Gpu, dim: number, shardBytes = 2 ** 27): Promise<ConceptIndex> {
    return new ConceptIndex(gpu, await loadCosineSearch(gpu), dim, shardBytes)
  }

  /** Puts vectors [n, dim], n from 1 on and no more than a shard holds, in the place of what was under the key. */
  put({ key, checksum }: IndexedRows, vectors: Float32Array): void {
    const packed = packRows(vectors, this.#dim)
    const count = vectors.length / this.#dim
    let slot = this.#slots.get(key)
    if (slot && slot.capacity < count) {
      this.delete(key)
      slot = undefined
    }
    slot ??= this.#allocate(key, 2 ** Math.ceil(Math.log2(count)))
    slot.checksum = checksum
    const rows = new Float32Array(slot.capacity * packedWidth(this.#dim))
    rows.set(packed)
    this.#write(slot, rows)
  }

  delete(key: string): void {
    const slot = this.#slots.get(key)
    if (!slot) return
    this.#slots.delete(key)
    this.#owners.fill(undefined, slot.start, slot.start + slot.capacity)
    this.#write(slot, new Float32Array(slot.capacity * packedWidth(this.#dim)))
    this.#free.set(slot.capacity, [...(this.#free.get(slot.capacity) ?? []), slot.start])
  }

  /**
   * The k rows with the highest cosine to each query [q, dim], best first; equals by key and offset.
   * @returns null when too many rows are too close to the k-th for f32 to tell which belong among the k.
   * @throws DeviceLost, KernelError.
   */
  async search(queries: Float32Array, k: number): Promise<IndexHit[][] | null> {
    for (const kept of [2 * k + 16, searchTile]) {
      if (kept > searchTile || this.#shards.length === 0) continue
      const found = await this.#find(queries, k, kept)
      if (found) return found
    }
    return this.#shards.length === 0 ? Array.from({ length: queries.length / this.#dim }, () => []) : null
  }

  destroy(): void {
    for (const shard of this.#shards) shard.destroy()
  }

  /** Null when `kept` candidates do not prove which are the k best. */
  async #find(queries: Float32Array, k: number, kept: number): Promise<IndexHit[][] | null> {
    const dim = this.#dim
    const count = queries.length / dim
    const query = this.#gpu.tensor('queries', [count, packedWidth(dim)], { data: packRows(queries, dim) })
    const outputs = this.#shards.map((shard) => bestRows(this.#gpu, count, shard.shape[0] as number, kept))
    try {
      const program = this.#gpu.program('search concepts')
      for (const [i, concepts] of this.#shards.entries()) {
        this.#search.record(program, { queries: query, concepts, kept, best: outputs[i]! })
      }
      this.#gpu.submit([program])
      const best = await this.#gpu.readRanges(outputs.map((tensor) => ({ tensor, elementOffset: 0, count: tensor.size })))
      const candidates = this.#merge(best, outputs, count, kept)
      const found = []
      for (let q = 0; q < count; q++) {
        const ranked = await this.#rank(queries.subarray(q * dim, (q + 1) * dim), candidates[q]!)
        const isAll = candidates[q]!.length < kept
        // Whatever was not kept is, in f32, no better than the last that was.
        const unseen = (candidates[q]!.at(-1)?.cosine ?? -2) + cosineErrorBound(dim)
        if (!isAll && !((ranked[k - 1]?.cosine ?? -2) > unseen)) return null
        found.push(ranked.slice(0, k))
      }
      return found
    } finally {
      for (const tensor of [query, ...outputs]) tensor.destroy()
    }
  }

  /** The best `kept` of all shards for each query, by their row among all shards. */
  #merge(best: Float32Array, outputs: readonly Tensor[], queries: number, kept: number): { row: number; cosine: number }[][] {
    const merged: { row: number; cosine: number }[][] = Array.from({ length: queries }, () => [])
    let offset = 0
    for (const [shard, { size }] of outputs.entries()) {
      const ranked = rankedRows(best.subarray(offset, offset + size), queries, kept)
      for (const [q, list] of ranked.entries()) {
        merged[q]!.push(...list.map(({ row, cosine }) => ({ row: shard * this.#shardRows + row, cosine })))
      }
      offset += size
    }
    return merged.map((list) => list.sort((a, b) => b.cosine - a.cosine || a.row - b.row).slice(0, kept))
  }

  async #rank(query: Float32Array, candidates: readonly { row: number }[]): Promise<IndexHit[]> {
    if (candidates.length === 0) return []
    const wide = packedWidth(this.#dim)
    const rows = await this.#gpu.readRanges(
      candidates.map(({ row }) => ({ tensor: this.#shard(row), elementOffset: (row % this.#shardRows) * wide, count: wide })),
    )
    const hits = candidates.map(({ row }, i): IndexHit => {
      const slot = this.#owners[row] as Slot
      const cosine = cosineReference(query, rows.subarray(i * wide, i * wide + this.#dim)) as number
      return { rows: { key: slot.key, checksum: slot.checksum }, offset: row - slot.start, cosine }
    })
    return hits.sort(byCosine)
  }

  #allocate(key: string, capacity: number): Slot {
    let start = this.#free.get(capacity)?.pop()
    if (start === undefined) {
      // Capacities and shards are powers of two: at a multiple of its capacity no slot crosses the end of a shard.
      start = Math.ceil(this.#end / capacity) * capacity
      this.#end = start + capacity
      this.#grow()
    }
    const slot = { key, checksum: 0, start, capacity }
    this.#slots.set(key, slot)
    this.#owners.length = Math.max(this.#owners.length, this.#end)
    this.#owners.fill(slot, start, start + capacity)
    return slot
  }

  /** Makes the last shard large enough, or begins another. */
  #grow(): void {
    const shard = Math.floor((this.#end - 1) / this.#shardRows)
    const needed = this.#end - shard * this.#shardRows
    const last = this.#shards[shard]
    const has = last?.shape[0] ?? 0
    if (needed <= has) return
    const rows = Math.min(this.#shardRows, Math.max(firstRows, 2 ** Math.ceil(Math.log2(needed))))
    const larger = this.#gpu.tensor(`concepts ${shard}`, [rows, packedWidth(this.#dim)])
    if (last) {
      this.#gpu.copy(last, larger)
      last.destroy()
    }
    this.#shards[shard] = larger
  }

  #write({ start }: Slot, rows: Float32Array): void {
    this.#gpu.write(this.#shard(start), rows, (start % this.#shardRows) * packedWidth(this.#dim))
  }

  #shard(row: number): Tensor {
    return this.#shards[Math.floor(row / this.#shardRows)] as Tensor
  }
}

/** Best first; equals by key and offset. */
export function byCosine(a: IndexHit, b: IndexHit): number {
  if (a.cosine !== b.cosine) return b.cosine - a.cosine
  if (a.rows.key !== b.rows.key) return a.rows.key < b.rows.key ? -1 : 1
  return a.offset - b.offset
}
