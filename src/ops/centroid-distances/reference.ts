export interface CentroidTerms {
  /** y_c, [dim] */
  conditional: ArrayLike<number>
  /** y_u, [dim], with `guidanceScale` g; left out: not guided. */
  guidance?: { unconditional: ArrayLike<number>; guidanceScale: number }
  /** x, [dim] */
  total: ArrayLike<number>
  /** [units, dim] */
  codebook: ArrayLike<number>
}

/** |y_u + g (y_c − y_u) − x − C_i|² of every centroid C_i, in f64: [units]. */
export function centroidDistancesReference({ conditional, guidance, total, codebook }: CentroidTerms): Float64Array {
  const dim = total.length
  const lacking = Float64Array.from(conditional, (y, k) => {
    const free = guidance?.unconditional[k] ?? y
    return (guidance ? free + guidance.guidanceScale * (y - free) : y) - total[k]!
  })
  return Float64Array.from({ length: codebook.length / dim }, (_, unit) =>
    lacking.reduce((sum, value, k) => sum + (value - codebook[unit * dim + k]!) ** 2, 0),
  )
}
