import shader from '../../../shaders/swi-glu.wgsl?raw'
import { InvalidInput } from '../../errors'
import type { Gpu, Program, Tensor } from '../../gpu'
import { requireInteger, requireLength, requireMatrix } from '../check'
import { type Form, loadMatrixKernel, type Matrix, type MatrixKernel, matrixShape, rowBlocks, type WeightType } from '../matrix-kernel'

export interface SwiGluArguments {
  /** [rows or more, d] */
  input: Tensor
  /** [f, d], f32 or f16 as loaded. In several tensors it takes a dispatch for each. */
  gateWeight: Matrix
  /** [f] */
  gateBias: Tensor
  /** [f, d], of the same type, in tensors of the same shapes. */
  innerWeight: Matrix
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
    const { channels, inputs } = matrixShape(gateWeight)
    const gates = rowBlocks('swiGlu', 'gateWeight', gateWeight, inputs, this.#kernel.weightType)
    const inners = rowBlocks('swiGlu', 'innerWeight', innerWeight, inputs, this.#kernel.weightType)
    if (gates.length !== inners.length) throw new InvalidInput('swiGlu: gateWeight and innerWeight must be in as many tensors.')
    requireInteger('swiGlu', 'rows', rows, 1)
    requireLength('swiGlu', 'gateBias', gateBias, channels)
    requireLength('swiGlu', 'innerBias', innerBias, channels)
    requireMatrix('swiGlu', 'input', input, rows, inputs)
    requireMatrix('swiGlu', 'output', output, rows, channels)

    for (const [index, gate] of gates.entries()) {
      const inner = inners[index]!
      requireLength('swiGlu', 'innerWeight', inner.tensor, gate.tensor.size, this.#kernel.weightType)
      const params = Uint32Array.of(inputs, gate.channels, rows, gate.first, channels)
      const tensors = [input, gate.tensor, gateBias, inner.tensor, innerBias, output]
      this.#kernel.dispatch(program, { params, tensors }, Math.ceil(gate.channels / channelsPerBlock), rows)
    }
  }
}

/** @param form which of the two kernels; by default the one that suits the adapter. */
export async function loadSwiGlu(gpu: Gpu, weightType: WeightType, form?: Form): Promise<SwiGlu> {
  return new SwiGlu(await loadMatrixKernel(gpu, 'swiGlu', shader, weightType, form))
}
