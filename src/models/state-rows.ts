import type { Gpu, Tensor } from '../gpu'

/** A cache [rows, width] whose row `first + n` belongs to concept n of the document. */
export interface StateColumn {
  tensor: Tensor
  first: number
}

/**
 * Rows [start, start + count) of a memory's state, [count, dim + Σ widths]: a concept, then what each column holds of it. One read-back.
 * @param concepts the normalised concepts, [count, dim]
 */
export async function readRows(
  gpu: Gpu,
  columns: readonly StateColumn[],
  concepts: Float32Array,
  { start, count }: { start: number; count: number },
): Promise<Float32Array> {
  if (count === 0) return new Float32Array(0)
  const blocks = await gpu.readRanges(
    columns.map(({ tensor, first }) => {
      const width = tensor.shape[1]!
      return { tensor, elementOffset: (first + start) * width, count: count * width }
    }),
  )
  let offset = 0
  const read = columns.map(({ tensor }) => {
    const from = offset
    offset += count * tensor.shape[1]!
    return blocks.subarray(from, offset)
  })
  return joinColumns([concepts, ...read], count)
}

/** Uploads rows [count, dim + Σ widths] as the columns' rows from `start` on. @param dim numbers in a concept */
export function writeRows(
  gpu: Gpu,
  columns: readonly StateColumn[],
  rows: Float32Array,
  { start, dim }: { start: number; dim: number },
): void {
  const [, ...blocks] = splitColumns(rows, [dim, ...columns.map(({ tensor }) => tensor.shape[1]!)])
  for (const [index, { tensor, first }] of columns.entries()) gpu.write(tensor, blocks[index]!, (first + start) * tensor.shape[1]!)
}

/** Columns [count, width] of several widths, side by side: [count, Σ widths]. */
export function joinColumns(columns: readonly Float32Array[], count: number): Float32Array {
  const rows = new Float32Array(columns.reduce((sum, { length }) => sum + length, 0))
  const rowWidth = rows.length / count
  let offset = 0
  for (const column of columns) {
    const width = column.length / count
    for (let row = 0; row < count; row++) rows.set(column.subarray(row * width, (row + 1) * width), row * rowWidth + offset)
    offset += width
  }
  return rows
}

/** What `joinColumns` joined: a column [count, width] for each of the widths, which are those of the rows. */
export function splitColumns(rows: Float32Array, widths: readonly number[]): Float32Array[] {
  const count = rows.length / widths.reduce((sum, width) => sum + width, 0)
  let offset = 0
  return widths.map((width) => {
    offset += width
    return taken(rows, count, offset - width, width)
  })
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
