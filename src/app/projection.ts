import { PCA } from 'ml-pca'

export interface Point {
  x: number
  y: number
}

/** Concepts in the plane. */
export interface Projection {
  /** Where the concepts are that the plane was laid through. */
  points: Point[]
  /** Where other concepts fall in the same plane; nowhere when it was laid through fewer than two. */
  place(others: readonly Float32Array[]): Point[]
}

/**
 * Projects concepts on the two directions along which they differ most (principal components).
 *
 * @param concepts vectors of the same length.
 * @param previous the points of the leading concepts on the last map; an axis is flipped where that keeps them on their side.
 */
export function project(concepts: readonly Float32Array[], previous: readonly Point[]): Projection {
  if (concepts.length < 2) return { points: concepts.map(() => ({ x: 0, y: 0 })), place: () => [] }
  const pca = new PCA(
    concepts.map((concept) => Array.from(concept)),
    { method: 'SVD' },
  )
  const fall = (vectors: readonly Float32Array[]) =>
    pca
      .predict(
        vectors.map((vector) => Array.from(vector)),
        { nComponents: Math.min(2, concepts.length - 1) },
      )
      .to2DArray()
      .map(([x = 0, y = 0]) => ({ x, y }))
  const points = fall(concepts)
  const turn = orientation(points, previous)
  return { points: points.map(turn), place: (others) => (others.length === 0 ? [] : fall(others).map(turn)) }
}

function orientation(points: readonly Point[], previous: readonly Point[]): (point: Point) => Point {
  const agreement = (axis: keyof Point) => previous.reduce((sum, point, i) => sum + point[axis] * (points[i]?.[axis] ?? 0), 0)
  const [x, y] = [agreement('x') < 0 ? -1 : 1, agreement('y') < 0 ? -1 : 1]
  return (point) => ({ x: x * point.x, y: y * point.y })
}
