/** A row of a matrix and its cosine with a query. */
export interface FoundRow {
  row: number
  /** −1 to 1 */
  cosine: number
}

/** q·x / √(|q|² |x|²) of two vectors [dim] of finite f32, in f64; null where one of them is zero and so has no direction. */
export function cosineReference(a: ArrayLike<number>, b: ArrayLike<number>): number | null {
  let [product, squaresA, squaresB] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!
    squaresA += a[i]! ** 2
    squaresB += b[i]! ** 2
  }
  if (squaresA === 0 || squaresB === 0) return null
  return Math.max(-1, Math.min(1, product / Math.sqrt(squaresA * squaresB)))
}

/** The k rows of [n, dim] with the highest cosine to a query [dim], best first and the lower row first among equals; rows of zeros are left out. */
export function cosineSearchReference(query: ArrayLike<number>, concepts: Float32Array, k: number): FoundRow[] {
  const dim = query.length
  const found: FoundRow[] = []
  for (let row = 0; row < concepts.length / dim; row++) {
    const cosine = cosineReference(query, concepts.subarray(row * dim, (row + 1) * dim))
    if (cosine !== null) found.push({ row, cosine })
  }
  return found.sort((a, b) => b.cosine - a.cosine || a.row - b.row).slice(0, k)
}
