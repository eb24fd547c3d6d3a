import shader from '../../../shaders/attention.wgsl?raw'
import { InvalidInput } from '../../errors'
import type { Gpu, Kernel, Program, Tensor } from '../../gpu'
import { requireInteger, requireLength, requireMatrix, width } from '../check'

/** Threads that share one head of one row; a head may have four features for each. */
const lanes = 64

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
  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /**
   * Row r sees cache rows 0 to `cursor.position + r`: the same for a whole prefix and for one new row.
   *
   * @throws InvalidInput when shapes do not fit.
   */
  recordCausal(program: Program, call: AttentionArguments): void {
    dispatch(program, this.#kernel, 'causalAttention', true, call)
  }

  /**
   * One query sees cache rows 0 to `cursor.contextLength - 1`.
   *
   * @throws InvalidInput when shapes do not fit.
   */
  recordCross(program: Program, call: CrossAttentionArguments): void {
    dispatch(program, this.#kernel, 'crossAttention', false, { ...call, rows: 1 })
  }
}

export async function loadAttention(gpu: Gpu): Promise<Attention> {
  return new Attention(await gpu.kernel('attention', shader, { LANES: lanes }))
}

function dispatch(program: Program, kernel: Kernel, op: string, causal: boolean, call: AttentionArguments): void {
  const { query, keys, values, output, rows, heads, cursor } = call
  const features = width(query)
  const headDim = features / heads
  requireInteger(op, 'rows', rows, 1)
  requireInteger(op, 'heads', heads, 1, features)
  if (headDim % 4 !== 0 || headDim > 4 * lanes) {
    throw new InvalidInput(
      `${op}: ${features} features in ${heads} heads make heads of ${headDim}; it must be a multiple of 4 up to ${4 * lanes}.`,
      { op, features, heads },
    )
  }
  const capacity = keys.shape[0] ?? 0
  requireMatrix(op, 'query', query, rows, features)
  requireMatrix(op, 'keys', keys, 1, features)
  requireMatrix(op, 'values', values, capacity, features)
  requireMatrix(op, 'output', output, rows, features)
  requireLength(op, 'cursor', cursor, 4, 'u32')
  const params = new ArrayBuffer(20)
  new Uint32Array(params).set([features / 4, headDim / 4, capacity, Number(causal)])
  new Float32Array(params, 16).set([1 / Math.sqrt(headDim)])
  program.dispatch(kernel, { params: new Uint8Array(params), tensors: [query, keys, values, output, cursor] }, [heads, rows])
}
