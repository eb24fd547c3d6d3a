import shader from '../../../shaders/attention.wgsl?raw'
import { InvalidInput } from '../../errors'
import type { Gpu, Kernel, Program, Tensor } from '../../gpu'
import { requireInteger, requireLength, requireMatrix, width } from '../check'

/** Largest head dimension: what the kernel's lanes hold of one output in registers. */
const maximumHeadDim = 256

export interface CrossAttentionArguments {
  /** [1 or more, d]; row 0 is used. */
  query: Tensor
  /** [capacity, d] */
  keys: Tensor
  /** [capacity, d] */
  values: Tensor
  /** [1 or more, d]; row 0 is written. */
  output: Tensor
  heads: number
  cursor: Tensor
}

export interface AttentionArguments extends CrossAttentionArguments {
  /** Rows of the query and of the output. */
  rows: number
}

/** softmax(q k / sqrt(headDim)) v for every head, over rows of a cache that the cursor bounds. */
export class Attention {
  readonly #causal: Kernel
  readonly #cross: Kernel

  constructor(causal: Kernel, cross: Kernel) {
    this.#causal = causal
    this.#cross = cross
  }

  /**
   * Row r sees cache rows 0 to `cursor.position + r`: the same for a whole prefix and for one new row.
   *
   * @throws InvalidInput when shapes do not fit.
   */
  recordCausal(program: Program, call: AttentionArguments): void {
    dispatch(program, this.#causal, 'causalAttention', call)
  }

  /**
   * One query sees cache rows 0 to `cursor.contextLength - 1`.
   *
   * @throws InvalidInput when shapes do not fit.
   */
  recordCross(program: Program, call: CrossAttentionArguments): void {
    dispatch(program, this.#cross, 'crossAttention', { ...call, rows: 1 })
  }
}

/** @param lanes threads that share one head of one row, a power of two from 4; by default what suits the adapter. */
export async function loadAttention(gpu: Gpu, lanes: number = gpu.info.software ? 16 : 64): Promise<Attention> {
  const load = (name: string, CAUSAL: number) => gpu.kernel(name, shader, { CAUSAL, LANES: lanes })
  return new Attention(await load('causalAttention', 1), await load('crossAttention', 0))
}

function dispatch(
  program: Program,
  kernel: Kernel,
  op: string,
  { query, keys, values, output, rows, heads, cursor }: AttentionArguments,
): void {
  const features = width(query)
  const headDim = features / heads
  requireInteger(op, 'rows', rows, 1)
  requireInteger(op, 'heads', heads, 1, features)
  if (!Number.isInteger(headDim) || headDim > maximumHeadDim) {
    throw new InvalidInput(
      `${op}: ${features} features in ${heads} heads make heads of ${headDim}; it must be an integer up to ${maximumHeadDim}.`,
    )
  }
  const capacity = keys.shape[0] ?? 0
  requireMatrix(op, 'query', query, rows, features)
  requireMatrix(op, 'keys', keys, 1, features)
  requireMatrix(op, 'values', values, capacity, features)
  requireMatrix(op, 'output', output, rows, features)
  requireLength(op, 'cursor', cursor, 4, 'u32')
  const params = new ArrayBuffer(16)
  new Uint32Array(params).set([features, headDim, capacity])
  new Float32Array(params, 12).set([1 / Math.sqrt(headDim)])
  program.dispatch(kernel, { params: new Uint8Array(params), tensors: [query, keys, values, output, cursor] }, [heads, rows])
}
