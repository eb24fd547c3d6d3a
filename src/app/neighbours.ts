/** Sentences on the map at most: the last ones. */
export const mostPoints = 32

export interface Nearest {
  index: number
  /** Cosine of the angle, −1 to 1. */
  likeness: number
}

/** For every concept the other that is most like it; nothing for fewer than two. */
export function nearest(concepts: readonly Float32Array[]): Nearest[] {
  if (concepts.length < 2) return []
  return concepts.map((concept, i) => nearestTo(concept, concepts, i))
}

/** The concept that is most like a vector. @param concepts one or more  @param except index of one that does not count */
export function nearestTo(vector: Float32Array, concepts: readonly Float32Array[], except?: number): Nearest {
  const likenesses = concepts.map((other, j) => (j === except ? Number.NEGATIVE_INFINITY : cosine(vector, other)))
  const likeness = Math.max(...likenesses)
  return { index: likenesses.indexOf(likeness), likeness }
}

/** 0 when either vector is zero. */
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
