/** The element that is furthest from what it should be. */
export interface Offender {
  index: number
  got: number
  want: number
  /** |got - want| */
  absolute: number
  /** `absolute` over the largest magnitude wanted anywhere, so that an element near zero is judged by the scale of its neighbours. */
  relative: number
}

/**
 * The worst element of `got` against `want`. NaN, and an infinity that is not wanted, count as infinitely far; so does a missing element.
 *
 * @param scale what `relative` is relative to; default: the largest finite magnitude of `want`, or 1 when all are zero.
 */
export function worstOffender(got: ArrayLike<number>, want: ArrayLike<number>, scale = largestMagnitude(want) || 1): Offender {
  let worst: Offender = { index: -1, got: 0, want: 0, absolute: 0, relative: 0 }
  for (let index = 0; index < Math.max(got.length, want.length); index++) {
    const [actual = Number.NaN, expected = Number.NaN] = [got[index], want[index]]
    const distance = actual === expected ? 0 : Math.abs(actual - expected)
    const absolute = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance
    if (absolute > worst.absolute || worst.index < 0) worst = { index, got: actual, want: expected, absolute, relative: absolute / scale }
  }
  return worst
}

function largestMagnitude(values: ArrayLike<number>): number {
  let largest = 0
  for (let index = 0; index < values.length; index++) {
    const magnitude = Math.abs(values[index]!)
    if (magnitude > largest && Number.isFinite(magnitude)) largest = magnitude
  }
  return largest
}
