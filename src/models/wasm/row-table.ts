/** Rows [n, width] of f32 numbers, with room for more than are in use. */
export class RowTable {
  readonly width: number
  #values = new Float32Array(0)

  constructor(width: number) {
    this.width = width
  }

  /** Rows [start, end): good until more are written. */
  rows(start: number, end: number): Float32Array {
    return this.#values.subarray(start * this.width, end * this.width)
  }

  /** Writes rows [n, width] from row `start` on, which is not beyond the last one written. */
  write(start: number, rows: Float32Array): void {
    const needed = start * this.width + rows.length
    if (needed > this.#values.length) {
      const larger = new Float32Array(Math.max(needed, 2 * this.#values.length))
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values.set(rows, start * this.width)
  }
}
