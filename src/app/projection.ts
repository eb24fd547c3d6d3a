import { PCA } from 'ml-pca'

export interface Point {
  x: number
  y: number
}

/**
 * Projects concepts on the two directions along which they differ most (principal components).
 *
 * @param concepts at least one vector, all of the same length.
 * @param previous the points of the leading concepts on the last map; an axis is flipped where that keeps them on their side.
 */
export function project(concepts: readonly Float32Array[], previous: readonly Point[]): Point[] {
  if (concepts.length < 2) return concepts.map(() => ({ x: 0, y: 0 }))
  const scores = new PCA(
    concepts.map((concept) => Array.from(concept)),
    { method: 'SVD' },
  )
    .predict(
      concepts.map((concept) => Array.from(concept)),
      { nComponents: Math.min(2, concepts.length - 1) },
    )
    .to2DArray()
  const points = scores.map(([x = 0, y = 0]) => ({ x, y }))
  return orient(points, previous)
}

function orient(points: Point[], previous: readonly Point[]): Point[] {
  const agreement = (axis: keyof Point) => previous.reduce((sum, point, i) => sum + point[axis] * (points[i]?.[axis] ?? 0), 0)
  const [x, y] = [agreement('x') < 0 ? -1 : 1, agreement('y') < 0 ? -1 : 1]
  return points.map((point) => ({ x: x * point.x, y: y * point.y }))
}
