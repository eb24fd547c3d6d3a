import shader from '../../../shaders/attention.wgsl?raw'
import { InvalidInput } from '../../errors'
import type { Gpu, Kernel, Program, Tensor } from '../../gpu'
import { requireCursor, requireInteger, requireMatrix, width } from '../check'

/** Threads that share one head of one row; a head may have four features for each. */
const lanes = 64

export interface CrossAttentionArguments {
  /** [rows or more, d] */
  query: Tensor
  /** [capacity, d] */
  keys: Tensor
  /** [capacity, d] */
  values: Tensor
  /** [rows or more, d] */
  output: Tensor
  heads: number
  cursor: Tensor
  /** Default 1. */
  rows?: number
  /** Row r belongs to another document, with entry r of the cursor and the cache rows from its `base` on. Default false. */
  perRow?: boolean
}

export interface AttentionArguments extends CrossAttentionArguments {
  /** Rows of the query and of the output. */
  rows: number
}

/** softmax(q k / sqrt(headDim)) v for every head, over rows of a cache that the cursor bounds. Heads may have any size up to 256. */
export class Attention {
  readonly #kernels: { aligned: Kernel; unaligned: Kernel }

  /** The unaligned kernel serves heads whose size is no multiple of 4. */
  constructor(kernels: { aligned: Kernel; unaligned: Kernel }) {
    this.#kernels = kernels
  }

  /**
   * Row r sees cache rows 0 to `cursor.position + r`: the same for a whole prefix and for one new row.
   *
   * @throws InvalidInput when shapes do not fit.
   */
  recordCausal(program: Program, call: AttentionArguments): void {
    dispatch(program, this.#kernels, 'causalAttention', true, call)
  }

  /**
   * A query sees cache rows 0 to `cursor.contextLength - 1`.
   *
   * @throws InvalidInput when shapes do not fit.
   */
  recordCross(program: Program, call: CrossAttentionArguments): void {
    dispatch(program, this.#kernels, 'crossAttention', false, { ...call, rows: call.rows ?? 1 })
  }
}

export async function loadAttention(gpu: Gpu): Promise<Attention> {
  const [aligned, unaligned] = await Promise.all([1, 0].map((ALIGNED) => gpu.kernel('attention', shader, { LANES: lanes, ALIGNED })))
  return new Attention({ aligned: aligned!, unaligned: unaligned! })
}

function dispatch(
  program: Program,
  kernels: { aligned: Kernel; unaligned: Kernel },
  op: string,
  causal: boolean,
  call: AttentionArguments,
): void {
  const { query, keys, values, output, rows, heads, cursor, perRow = false } = call
  const features = width(query)
  const headDim = features / heads
  requireInteger(op, 'rows', rows, 1)
  requireInteger(op, 'heads', heads, 1, features)
  if (!Number.isInteger(headDim) || headDim > 4 * lanes) {
    throw new InvalidInput(
      `${op}: ${features} features in ${heads} heads make heads of ${headDim}; it must be a whole number up to ${4 * lanes}.`,
      { op, features, heads },
    )
  }
  const capacity = keys.shape[0] ?? 0
  requireMatrix(op, 'query', query, rows, features)
  requireMatrix(op, 'keys', keys, 1, features)
  requireMatrix(op, 'values', values, capacity, features)
  requireMatrix(op, 'output', output, rows, features)
  requireCursor(op, cursor, perRow ? rows : 1)
  const params = new ArrayBuffer(28)
  new Uint32Array(params).set([features, headDim, Math.ceil(headDim / 4), capacity, Number(causal), Number(perRow)])
  new Float32Array(params, 24).set([1 / Math.sqrt(headDim)])
  const kernel = headDim % 4 === 0 ? kernels.aligned : kernels.unaligned
  program.dispatch(kernel, { params: new Uint8Array(params), tensors: [query, keys, values, output, cursor] }, [heads, rows])
}
