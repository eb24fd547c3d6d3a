import { expect } from 'vitest'
import type { Gpu, Program, Tensor } from '../gpu'
import { worstOffender } from './compare'
import type { WeightType } from './matrix-kernel'

/** Kinds of numbers that find different mistakes: plain ones, sums that overflow f16, ones near f32's small end, and sums that cancel. */
export const kinds = ['plain', 'large', 'tiny', 'cancelling'] as const
export type Kind = (typeof kinds)[number]

/** `count` deterministic numbers exactly representable in f32; no denormals. */
export function numbers(count: number, seed: number, kind: Kind = 'plain'): Float32Array {
  let state = Math.imul(seed + 1, 0x9e3779b1)
  const scale = { plain: 1, large: 1e4, tiny: 1e-3, cancelling: 1e3 }[kind]
  return Float32Array.from({ length: count }, (_, index) => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5
    const unit = ((state ^ (state >>> 13)) >>> 0) / 2 ** 31 - 1
    // Neighbours of opposite sign, equal but for one part in a thousand.
    if (kind === 'cancelling') return scale * (index % 2 ? -1 : 1) * (1 + unit / 1000)
    return scale * unit
  })
}

/** A weight tensor, and its values as the GPU sees them: those of f16 are rounded to it. */
export function weightTensor(
  gpu: Gpu,
  shape: [number, number],
  values: Float32Array,
  type: WeightType,
): { tensor: Tensor; values: Float32Array } {
  if (type === 'f32') return { tensor: gpu.tensor('weight', shape, { data: values }), values }
  const halves = Float16Array.from(values)
  return { tensor: gpu.tensor('weight', shape, { type, data: halves }), values: Float32Array.from(halves) }
}

/** Records, submits once. */
export function runOnce(gpu: Gpu, record: (program: Program) => void): void {
  const program = gpu.program('test')
  record(program)
  gpu.submit([program])
}

/** Fails with the worst offender when it is off by more than `tolerance` of the scale. */
export function expectClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, note: string, scale?: number): void {
  const worst = worstOffender(got, want, scale)
  expect(worst.relative, `${note}: ${JSON.stringify(worst)}`).toBeLessThanOrEqual(tolerance)
}

/** Largest sum of magnitudes that one output of x W^T is made of: rounding errors are relative to it, however much cancels. */
export function magnitudeOfSums(input: ArrayLike<number>, weight: ArrayLike<number>, rows: number, channels: number): number {
  const inputs = weight.length / channels
  let largest = 0
  for (let row = 0; row < rows; row++) {
    for (let channel = 0; channel < channels; channel++) {
      let sum = 0
      for (let k = 0; k < inputs; k++) sum += Math.abs(input[row * inputs + k]! * weight[channel * inputs + k]!)
      largest = Math.max(largest, sum)
    }
  }
  return largest
}

declare const Float16Array: { from(values: ArrayLike<number>): ArrayLike<number> & ArrayBufferView }
