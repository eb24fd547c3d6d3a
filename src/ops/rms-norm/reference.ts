/** One row [d] normalised: x / sqrt(mean(x^2) + 1e-5) * w, then y * (1 + scale) + shift where given, in f64. */
export function rmsNormReference(
  row: ArrayLike<number>,
  weight: ArrayLike<number>,
  modulation?: { shift: ArrayLike<number>; scale: ArrayLike<number> },
): Float64Array {
  let squares = 0
  for (let i = 0; i < row.length; i++) squares += row[i]! ** 2
  const root = Math.sqrt(squares / row.length + 1e-5)
  return Float64Array.from(row, (x, i) => {
    const y = (x / root) * weight[i]!
    return modulation ? y * (1 + modulation.scale[i]!) + modulation.shift[i]! : y
  })
}
