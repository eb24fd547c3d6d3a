import shader from '../../../shaders/swi-glu.wgsl?raw'
import type { Gpu, Program, Tensor } from '../../gpu'
import { requireInteger, requireLength, requireMatrix } from '../check'
import { type Form, loadMatrixKernel, type MatrixKernel, type WeightType } from '../matrix-kernel'

export interface SwiGluArguments {
  /** [rows or more, d] */
  input: Tensor
  /** [f, d], f32 or f16 as loaded. */
  gateWeight: Tensor
  /** [f] */
  gateBias: Tensor
  /** [f, d], f32 or f16 as loaded. */
  innerWeight: Tensor
  /** [f] */
  innerBias: Tensor
  /** [rows or more, f] */
  output: Tensor
  rows: number
}

/** Channels of one workgroup (or one thread). */
const channelsPerBlock = 2

/** y = (W_i x + b_i) * silu(W_g x + b_g): the first half of the feed-forward layer (Shazeer 2020, "GLU Variants Improve Transformer"). */
export class SwiGlu {
  readonly #kernel: MatrixKernel

  constructor(kernel: MatrixKernel) {
    this.#kernel = kernel
  }

  /** @throws InvalidInput when shapes do not fit. */
  record(program: Program, { input, gateWeight, gateBias, innerWeight, innerBias, output, rows }: SwiGluArguments): void {
    const [channels = 0, inputs = 0] = gateWeight.shape
    requireInteger('swiGlu', 'rows', rows, 1)
    requireMatrix('swiGlu', 'gateWeight', gateWeight, channels, inputs, [this.#kernel.weightType])
    requireMatrix('swiGlu', 'innerWeight', innerWeight, channels, inputs, [this.#kernel.weightType])
    requireLength('swiGlu', 'innerWeight', innerWeight, gateWeight.size, this.#kernel.weightType)
    requireLength('swiGlu', 'gateBias', gateBias, channels)
    requireLength('swiGlu', 'innerBias', innerBias, channels)
    requireMatrix('swiGlu', 'input', input, rows, inputs)
    requireMatrix('swiGlu', 'output', output, rows, channels)

    const params = Uint32Array.of(inputs, channels, rows, 0)
    const tensors = [input, gateWeight, gateBias, innerWeight, innerBias, output]
    this.#kernel.dispatch(program, { params, tensors }, Math.ceil(channels / channelsPerBlock), rows)
  }
}

/** @param form which of the two kernels; by default the one that suits the adapter. */
export async function loadSwiGlu(gpu: Gpu, weightType: WeightType, form?: Form): Promise<SwiGlu> {
  return new SwiGlu(await loadMatrixKernel(gpu, 'swiGlu', shader, weightType, form))
}
