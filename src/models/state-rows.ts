import type { Gpu, Tensor } from '../gpu'

/** A cache [rows, width] whose row `first + n` belongs to concept n of the document. */
export interface StateColumn {
  tensor: Tensor
  first: number
}

interface RowRange {
  start: number
  count: number
  /** Numbers in a concept. */
  dim: number
}

/**
 * Rows [start, start + count) of a memory's state, [count, dim + Σ widths]: a concept, then what each column holds of it. One read-back.
 * @param concepts the normalised concepts, [count, dim]
 */
export async function readRows(
  gpu: Gpu,
  columns: readonly StateColumn[],
  concepts: Float32Array,
  { start, count, dim }: RowRange,
): Promise<Float32Array> {
  if (count === 0) return new Float32Array(0)
  const blocks = await gpu.readRanges(
    columns.map(({ tensor, first }) => {
      const width = tensor.shape[1]!
      return { tensor, elementOffset: (first + start) * width, count: count * width }
    }),
  )
  const width = dim + blocks.length / count
  const rows = new Float32Array(count * width)
  const place = (block: Float32Array, blockWidth: number, offset: number) => {
    for (let row = 0; row < count; row++) rows.set(block.subarray(row * blockWidth, (row + 1) * blockWidth), row * width + offset)
  }
  place(concepts, dim, 0)
  let offset = dim
  for (const { tensor } of columns) {
    const columnWidth = tensor.shape[1]!
    const from = (offset - dim) * count
    place(blocks.subarray(from, from + count * columnWidth), columnWidth, offset)
    offset += columnWidth
  }
  return rows
}

/** Uploads rows [count, dim + Σ widths] as rows [start, start + count) of the columns. */
export function writeRows(gpu: Gpu, columns: readonly StateColumn[], rows: Float32Array, { start, count, dim }: RowRange): void {
  let offset = dim
  for (const { tensor, first } of columns) {
    const width = tensor.shape[1]!
    gpu.write(tensor, taken(rows, count, offset, width), (first + start) * width)
    offset += width
  }
}

/** The normalised concepts [count, dim] in rows of state. */
export function conceptsOfRows(rows: Float32Array, { count, dim }: { count: number; dim: number }): Float32Array {
  return taken(rows, count, 0, dim)
}

/** Numbers [offset, offset + width) of every row, [count, width]. */
function taken(rows: Float32Array, count: number, offset: number, width: number): Float32Array {
  const block = new Float32Array(count * width)
  const rowWidth = rows.length / count
  for (let row = 0; row < count; row++) {
    const from = row * rowWidth + offset
    block.set(rows.subarray(from, from + width), row * width)
  }
  return block
}
