import shader from '../../../shaders/rms-norm.wgsl?raw'
import type { Gpu, Kernel, Program, Tensor } from '../../gpu'
import { requireCursor, requireInteger, requireLength, requireMatrix, width } from '../check'

export interface RmsNormArguments {
  /** [rows or more, d] */
  input: Tensor
  /** [d] */
  weight: Tensor
  /** [rows or more, d]; not the input. */
  output: Tensor
  rows: number
  /** Adaptive form: row `cursor.step` of the table holds d shifts from element `shift` on and d scales from element `scale` on. */
  modulation?: { table: Tensor; cursor: Tensor; shift: number; scale: number }
}

/** y = x / sqrt(mean(x^2) + 1e-5) * w, then y * (1 + scale) + shift where modulated (reference/lcm.md §1, §3.3). */
export class RmsNorm {
  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** @throws InvalidInput when shapes do not fit. */
  record(program: Program, { input, weight, output, rows, modulation }: RmsNormArguments): void {
    const features = weight.size
    requireInteger('rmsNorm', 'rows', rows, 1)
    requireLength('rmsNorm', 'weight', weight, features)
    requireMatrix('rmsNorm', 'input', input, rows, features)
    requireMatrix('rmsNorm', 'output', output, rows, features)
    if (modulation) {
      const { table, shift, scale } = modulation
      requireMatrix('rmsNorm', 'modulation table', table, 1, width(table))
      requireCursor('rmsNorm', modulation.cursor)
      requireInteger('rmsNorm', 'shift', shift, 0, width(table) - features)
      requireInteger('rmsNorm', 'scale', scale, 0, width(table) - features)
    }
    const { table = weight, cursor = weight, shift = 0, scale = 0 } = modulation ?? {}
    const params = Uint32Array.of(features, modulation ? width(table) : 0, shift, scale)
    program.dispatch(this.#kernel, { params, tensors: [input, weight, output, table, cursor] }, [rows])
  }
}

/** @param lanes threads that share one row; by default what suits the adapter. A power of two. */
export async function loadRmsNorm(gpu: Gpu, lanes: number = gpu.info.software ? 4 : 64): Promise<RmsNorm> {
  return new RmsNorm(await gpu.kernel('rmsNorm', shader, { LANES: lanes }))
}
