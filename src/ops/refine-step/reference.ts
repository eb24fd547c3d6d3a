export interface RefineTerms {
  /** y_c, [units]: logits, or squared distances. */
  conditional: ArrayLike<number>
  /** y_u, [units], with `guidanceScale` g; left out: not guided. */
  guidance?: { unconditional: ArrayLike<number>; guidanceScale: number }
  scores: 'logits' | 'distances'
  /** 0 chooses the best. */
  temperature: number
  /** Units that may be chosen, 1 or more. */
  topK: number
  /** 0 to 1; not needed where the best is chosen. */
  draw?: number
}

/** The unit that a refinement step chooses, in f64: see the shader for the formula. */
export function chosenUnit({ conditional, guidance, scores, temperature, topK, draw = 0 }: RefineTerms): number {
  const values = Float64Array.from(conditional, (y, unit) => {
    const free = guidance?.unconditional[unit] ?? y
    const value = guidance ? free + guidance.guidanceScale * (y - free) : y
    return scores === 'distances' ? -value : value
  })
  const ranked = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b)
  if (temperature === 0) return ranked[0]!
  const kept = ranked.slice(0, topK).sort((a, b) => a - b)
  const weights = kept.map((unit) => Math.exp((values[unit]! - values[ranked[0]!]!) / temperature))
  const wanted = draw * weights.reduce((a, b) => a + b, 0)
  let sum = 0
  for (const [n, unit] of kept.entries()) {
    sum += weights[n]!
    if (sum > wanted) return unit
  }
  return kept.at(-1)!
}
