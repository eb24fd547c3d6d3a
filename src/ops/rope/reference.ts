/** Base of the geometric series of frequencies. */
const theta = 10_000

/** [positions, headDim]: for pair i of position p the two numbers cos(p f_i), sin(p f_i), with f_i = theta^(-2i / headDim). */
export function rotations(positions: number, headDim: number): Float64Array {
  const table = new Float64Array(positions * headDim)
  for (let position = 0; position < positions; position++) {
    for (let pair = 0; pair < headDim / 2; pair++) {
      const angle = position * theta ** ((-2 * pair) / headDim)
      table[position * headDim + 2 * pair] = Math.cos(angle)
      table[position * headDim + 2 * pair + 1] = Math.sin(angle)
    }
  }
  return table
}

/** One row [heads * headDim] at an absolute position, each pair (x[2i], x[2i+1]) of each head turned as a complex number. */
export function ropeReference(row: ArrayLike<number>, position: number, heads: number): Float64Array {
  const headDim = row.length / heads
  const output = new Float64Array(row.length)
  for (let start = 0; start < row.length; start += 2) {
    const angle = position * theta ** (-(start % headDim) / headDim)
    output[start] = row[start]! * Math.cos(angle) - row[start + 1]! * Math.sin(angle)
    output[start + 1] = row[start]! * Math.sin(angle) + row[start + 1]! * Math.cos(angle)
  }
  return output
}
