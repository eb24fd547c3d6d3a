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

/** softmax(q k / sqrt(headDim)) v for every head, over rows of a cache that the cursor bounds. */
export class Attention {
  readonly #kernel: Kernel
  readonly #headDim: number

  constructor(kernel: Kernel, headDim: number) {
    this.#kernel = kernel
    this.#headDim = headDim
  }

  /**
   * Row r sees cache rows 0 to `cursor.position + r`: the same for a whole prefix and for one new row.
   *
   * @throws InvalidInput when shapes do not fit.
   */
  recordCausal(program: Program, call: AttentionArguments): void {
    this.#dispatch(program, 'causalAttention', true, call)
  }

  /**
   * A query sees cache rows 0 to `cursor.contextLength - 1`.
   *
   * @throws InvalidInput when shapes do not fit.
   */
  recordCross(program: Program, call: CrossAttentionArguments): void {
    this.#dispatch(program, 'crossAttention', false, { ...call, rows: call.rows ?? 1 })
  }

  #dispatch(
    program: Program,
    op: string,
    causal: boolean,
    { query, keys, values, output, rows, heads, cursor, perRow = false }: AttentionArguments,
  ): void {
    const features = width(query)
    const headDim = this.#headDim
    requireInteger(op, 'rows', rows, 1)
    requireInteger(op, 'heads', heads, 1, features)
    if (features !== heads * headDim) {
      throw new InvalidInput(`${op}: ${features} features in ${heads} heads do not make the heads of ${headDim} it was loaded for.`, {
        op,
        features,
        heads,
      })
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
    program.dispatch(this.#kernel, { params: new Uint8Array(params), tensors: [query, keys, values, output, cursor] }, [heads, rows])
  }
}

/**
 * Compiles the kernel for heads of one size: `ALIGNED` where that is a multiple of 4.
 *
 * @param headDim 1 to 256
 * @throws InvalidInput for any other size; KernelError.
 */
export async function loadAttention(gpu: Gpu, headDim: number): Promise<Attention> {
  requireInteger('attention', 'headDim', headDim, 1, 4 * lanes)
  return new Attention(await gpu.kernel('attention', shader, { LANES: lanes, ALIGNED: Number(headDim % 4 === 0) }), headDim)
}
