/**
 * One query row [d] over the first `visible` rows of keys and values [capacity, d]: softmax(q k / sqrt(headDim)) v for every head, in f64.
 * With nothing visible the answer is zero.
 */
export function attentionReference(
  query: ArrayLike<number>,
  keys: ArrayLike<number>,
  values: ArrayLike<number>,
  visible: number,
  heads: number,
): Float64Array {
  const features = query.length
  const headDim = features / heads
  const output = new Float64Array(features)
  for (let start = 0; start < features; start += headDim) {
    const scores = new Float64Array(visible)
    for (let row = 0; row < visible; row++) {
      for (let i = start; i < start + headDim; i++) scores[row]! += (query[i]! * keys[row * features + i]!) / Math.sqrt(headDim)
    }
    const maximum = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
    const weights = scores.map((score) => Math.exp(score - maximum))
    const total = weights.reduce((a, b) => a + b, 0)
    for (let row = 0; row < visible; row++) {
      for (let i = start; i < start + headDim; i++) output[i]! += (weights[row]! / total) * values[row * features + i]!
    }
  }
  return output
}
