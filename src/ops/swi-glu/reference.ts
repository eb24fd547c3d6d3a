import { linearReference } from '../linear/reference'

export interface SwiGluTerms {
  /** [rows, K] */
  input: ArrayLike<number>
  /** [N, K] */
  gateWeight: ArrayLike<number>
  /** [N] */
  gateBias: ArrayLike<number>
  /** [N, K] */
  innerWeight: ArrayLike<number>
  /** [N] */
  innerBias: ArrayLike<number>
  rows: number
}

/** (x W_i^T + b_i) * silu(x W_g^T + b_g), [rows, N] in f64. */
export function swiGluReference({ input, gateWeight, gateBias, innerWeight, innerBias, rows }: SwiGluTerms): Float64Array {
  const gate = linearReference({ input, weight: gateWeight, bias: gateBias, rows, silu: true })
  return linearReference({ input, weight: innerWeight, bias: innerBias, rows }).map((inner, index) => inner * gate[index]!)
}
