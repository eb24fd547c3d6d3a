export interface LinearTerms {
  /** [rows, K] */
  input: ArrayLike<number>
  /** [N, K] */
  weight: ArrayLike<number>
  /** [N] */
  bias: ArrayLike<number>
  rows: number
  silu?: boolean
  /** [N] */
  gate?: ArrayLike<number>
  /** [rows, N] */
  residual?: ArrayLike<number>
}

/** residual + gate * activation(x W^T + b), [rows, N] in f64. */
export function linearReference({ input, weight, bias, rows, silu = false, gate, residual }: LinearTerms): Float64Array {
  const channels = bias.length
  const inputs = weight.length / channels
  const output = new Float64Array(rows * channels)
  for (let row = 0; row < rows; row++) {
    for (let channel = 0; channel < channels; channel++) {
      let value = bias[channel]!
      for (let k = 0; k < inputs; k++) value += weight[channel * inputs + k]! * input[row * inputs + k]!
      if (silu) value /= 1 + Math.exp(-value)
      if (gate) value *= gate[channel]!
      if (residual) value += residual[row * channels + channel]!
      output[row * channels + channel] = value
    }
  }
  return output
}
