import shader from '../../../shaders/swi-glu.wgsl?raw'
import type { Gpu, Kernel, Program, Tensor, TensorType } from '../../gpu'
import { requireInteger, requireLength, requireMatrix } from '../check'
import { type Form, preferredForm } from '../form'

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

/** Channels of one workgroup (or one thread), and the rows it computes together. */
const tile = { channels: 2, rows: 4 }
const threadsPerWorkgroup = 8

/** y = (W_i x + b_i) * silu(W_g x + b_g): the first half of the feed-forward layer (Shazeer 2020, "GLU Variants Improve Transformer"). */
export class SwiGlu {
  readonly #kernel: Kernel
  readonly #form: Form
  readonly #weightType: TensorType

  constructor(kernel: Kernel, form: Form, weightType: TensorType) {
    this.#kernel = kernel
    this.#form = form
    this.#weightType = weightType
  }

  /** @throws InvalidInput when shapes do not fit. */
  record(program: Program, { input, gateWeight, gateBias, innerWeight, innerBias, output, rows }: SwiGluArguments): void {
    const [channels = 0, inputs = 0] = gateWeight.shape
    requireInteger('swiGlu', 'rows', rows, 1)
    requireMatrix('swiGlu', 'gateWeight', gateWeight, channels, inputs, [this.#weightType])
    requireMatrix('swiGlu', 'innerWeight', innerWeight, channels, inputs, [this.#weightType])
    requireLength('swiGlu', 'gateBias', gateBias, channels)
    requireLength('swiGlu', 'innerBias', innerBias, channels)
    requireLength('swiGlu', 'innerWeight', innerWeight, channels * inputs, this.#weightType)
    requireMatrix('swiGlu', 'input', input, rows, inputs)
    requireMatrix('swiGlu', 'output', output, rows, channels)

    const params = Uint32Array.of(inputs, channels, rows, 0)
    const columns = Math.ceil(channels / tile.channels)
    const across = this.#form === 'thread' ? Math.ceil(columns / threadsPerWorkgroup) : columns
    const tensors = [input, gateWeight, gateBias, innerWeight, innerBias, output]
    program.dispatch(this.#kernel, { params, tensors }, [across, Math.ceil(rows / tile.rows)])
  }
}

/** @param form which of the two kernels; by default the one that suits the adapter. */
export async function loadSwiGlu(gpu: Gpu, weightType: 'f32' | 'f16', form: Form = preferredForm(gpu)): Promise<SwiGlu> {
  const constants = { HALF_WEIGHTS: Number(weightType === 'f16') }
  return new SwiGlu(await gpu.kernel(`swiGlu ${weightType} by ${form}`, shader, constants, `by_${form}`), form, weightType)
}
