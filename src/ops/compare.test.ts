import { describe, expect, it } from 'vitest'
import { worstOffender } from './compare'

describe('worstOffender', () => {
  it('names the element that is furthest off, relative to the largest one wanted', () => {
    expect(worstOffender([1, 2.5, -8], [1, 2, -8.25])).toEqual({ index: 1, got: 2.5, want: 2, absolute: 0.5, relative: 0.5 / 8.25 })
    expect(worstOffender([1, 2.5], [1, 2], 10).relative).toBe(0.05)
  })

  it('finds nothing wrong where all is equal', () => {
    expect(worstOffender([0, -3], [0, -3]).relative).toBe(0)
    expect(worstOffender([], []).relative).toBe(0)
    expect(worstOffender([Number.POSITIVE_INFINITY], [Number.POSITIVE_INFINITY]).relative).toBe(0)
  })

  it('lets no NaN, infinity or missing element pass', () => {
    expect(worstOffender([0, Number.NaN, 5], [0, 1, 0])).toMatchObject({ index: 1, relative: Number.POSITIVE_INFINITY })
    expect(worstOffender([Number.NaN], [Number.NaN]).relative).toBe(Number.POSITIVE_INFINITY)
    expect(worstOffender([1, Number.NEGATIVE_INFINITY], [1, 1])).toMatchObject({ index: 1, relative: Number.POSITIVE_INFINITY })
    expect(worstOffender([1], [1, 2])).toMatchObject({ index: 1, relative: Number.POSITIVE_INFINITY })
    expect(worstOffender([1, 2], [1])).toMatchObject({ index: 1, relative: Number.POSITIVE_INFINITY })
  })
})
