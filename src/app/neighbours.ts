/** Sentences on the map at most: the last ones. */
export const mostPoints = 32

/** For every concept the other that is most like it, by the cosine of their angle; nothing for fewer than two. */
export function nearest(concepts: readonly Float32Array[]): { index: number; likeness: number }[] {
  if (concepts.length < 2) return []
  return concepts.map((concept, i) => {
    const likenesses = concepts.map((other, j) => (i === j ? Number.NEGATIVE_INFINITY : cosine(concept, other)))
    const likeness = Math.max(...likenesses)
    return { index: likenesses.indexOf(likeness), likeness }
  })
}

/** Of the angle between two vectors, −1 to 1; 0 when either is zero. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let product = 0
  let squareA = 0
  let squareB = 0
  for (const [i, x] of a.entries()) {
    const y = b[i] as number
    product += x * y
    squareA += x * x
    squareB += y * y
  }
  return squareA > 0 && squareB > 0 ? product / Math.sqrt(squareA * squareB) : 0
}
