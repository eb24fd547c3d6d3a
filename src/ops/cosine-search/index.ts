import shader from '../../../shaders/cosine-search.wgsl?raw'
import { InvalidInput } from '../../errors'
import type { Gpu, Kernel, Program, Tensor } from '../../gpu'
import { requireInteger, requireLength, requireMatrix, width } from '../check'
import type { FoundRow } from './reference'

export { cosineReference, type FoundRow } from './reference'

/** Rows that one workgroup puts in order: most results a search can keep. */
export const searchTile = 1024

export interface CosineSearchArguments {
  /** [queries, width], made by `packRows`. */
  queries: Tensor
  /** [rows, width], made by `packRows`, at most 2^24 rows; rows of zeros are never found. */
  concepts: Tensor
  /** How many rows to find for each query, 1 to `searchTile`. */
  kept: number
  /** Made by `bestRows` for the same numbers. */
  best: Tensor
}

/** The rows with the highest cosine to each query, found exactly as f32 sums order them; only the best of every tile are read back. */
export class CosineSearch {
  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** @throws InvalidInput when shapes do not fit. */
  record(program: Program, { queries, concepts, kept, best }: CosineSearchArguments): void {
    const [count = 0, rows = 0] = [queries.shape[0], concepts.shape[0]]
    requireInteger('cosineSearch', 'kept', kept, 1, searchTile)
    requireInteger('cosineSearch', 'rows', rows, 1, 2 ** 24)
    requireMatrix('cosineSearch', 'queries', queries, 1, width(concepts))
    requireMatrix('cosineSearch', 'concepts', concepts, 1, packedWidth(width(concepts)))
    const tiles = Math.ceil(rows / searchTile)
    requireLength('cosineSearch', 'best', best, count * tiles * kept * 2)
    const params = Uint32Array.of(width(concepts) / 4, rows, kept)
    program.dispatch(this.#kernel, { params, tensors: [queries, concepts, best] }, [tiles, count])
  }
}

/** @param lanesPerRow threads that share one row; by default what suits the adapter. A power of two up to 128. */
export async function loadCosineSearch(gpu: Gpu, lanesPerRow: number = gpu.info.software ? 1 : 8): Promise<CosineSearch> {
  return new CosineSearch(await gpu.kernel('cosineSearch', shader, { LANES_PER_ROW: lanesPerRow }))
}

/** Where a search leaves the best of every tile: [queries, tiles, kept, 2]. */
export function bestRows(gpu: Gpu, queries: number, rows: number, kept: number): Tensor {
  return gpu.tensor('best rows', [queries, Math.ceil(rows / searchTile), kept, 2])
}

/**
 * The result of a search.
 *
 * @param best what was read from the tensor of `bestRows`
 * @returns for each query its rows, best first and the lower row first among equals; fewer than `kept` where there are no more.
 */
export function rankedRows(best: Float32Array, queries: number, kept: number): FoundRow[][] {
  const length = best.length / queries
  return Array.from({ length: queries }, (_, query) => {
    const found: FoundRow[] = []
    for (let i = query * length; i < (query + 1) * length; i += 2) {
      if (best[i]! >= -1) found.push({ cosine: best[i]!, row: best[i + 1]! })
    }
    return found.sort((a, b) => b.cosine - a.cosine || a.row - b.row).slice(0, kept)
  })
}

/** Numbers in a packed row: the next multiple of 4. */
export function packedWidth(dim: number): number {
  return 4 * Math.ceil(dim / 4)
}

/** How far the kernel's cosine of rows this wide can be from the exact one: the rounding errors of three f32 sums and one root. */
export function cosineErrorBound(dim: number): number {
  return 2 * (packedWidth(dim) / 4 + 16) * 2 ** -24
}

/**
 * Rows [n, dim] as the kernel reads them: [n, packedWidth(dim)], zeros at the end of each. A row is scaled by a power of two that brings its
 * largest magnitude near 1; that changes no mantissa, so cosines in f64 stay the same to the last bit.
 *
 * @throws InvalidInput for a number that is not finite.
 */
export function packRows(rows: Float32Array, dim: number): Float32Array<ArrayBuffer> {
  const wide = packedWidth(dim)
  const packed = new Float32Array((rows.length / dim) * wide)
  for (let row = 0; row < rows.length / dim; row++) {
    let largest = 0
    for (let i = row * dim; i < (row + 1) * dim; i++) {
      const magnitude = Math.abs(rows[i]!)
      if (!Number.isFinite(magnitude)) throw new InvalidInput('A concept to search for or among must have finite numbers.', { row })
      largest = Math.max(largest, magnitude)
    }
    if (largest === 0) continue
    const scale = 2 ** -Math.floor(Math.log2(largest))
    for (let i = 0; i < dim; i++) packed[row * wide + i] = rows[row * dim + i]! * scale
  }
  return packed
}
