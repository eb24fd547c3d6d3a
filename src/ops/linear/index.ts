import shader from '../../../shaders/linear.wgsl?raw'
import { InvalidInput } from '../../errors'
import type { Gpu, Program, Tensor } from '../../gpu'
import { requireCursor, requireInteger, requireLength, requireMatrix, width } from '../check'
import { type Form, loadMatrixKernel, type Matrix, type MatrixKernel, matrixShape, rowBlocks, type WeightType } from '../matrix-kernel'

export interface LinearArguments {
  /** [rows or more, K]; [inputRows or more, K] where there are fewer. */
  input: Tensor
  /** Output row r reads input row r mod `inputRows`: with 1 all read the same. Default: `rows`. */
  inputRows?: number
  /** [N, K], f32 or f16 as loaded. In several tensors it takes a dispatch for each. */
  weight: Matrix
  /** [N] */
  bias: Tensor
  /** [rows or more, N] */
  output: Tensor
  rows: number
  activation?: 'silu'
  /**
   * Output rows start at row `cursor.base + cursor.position + plus`: how keys and values enter a cache. Rows beyond the output's last are dropped.
   * With `perRow` each row belongs to another document: row r goes where entry r of the cursor says.
   */
  atCursor?: { cursor: Tensor; plus: number; perRow?: boolean }
  /** Multiplies output channel n by `table[cursor.step, offset + n]`. */
  gate?: { table: Tensor; cursor: Tensor; offset: number }
  /** [rows or more, N], added last: `residual + gate * activation(W x + b)`. May be the output tensor itself, unless `atCursor`. */
  residual?: Tensor
}

/** Output channels of one workgroup (or one thread). */
const channelsPerBlock = 4

/** y = activation(W x + b), optionally gated, added to a residual, or written into a cache. Any K and N from 1. */
export class Linear {
  readonly #kernel: MatrixKernel

  constructor(kernel: MatrixKernel) {
    this.#kernel = kernel
  }

  /** @throws InvalidInput when shapes do not fit. */
  record(
    program: Program,
    { input, weight, bias, output, rows, inputRows = rows, activation, atCursor, gate, residual }: LinearArguments,
  ): void {
    const { channels, inputs } = matrixShape(weight)
    const blocks = rowBlocks('linear', 'weight', weight, inputs, this.#kernel.weightType)
    requireInteger('linear', 'rows', rows, 1)
    requireInteger('linear', 'inputRows', inputRows, 1)
    requireMatrix('linear', 'input', input, Math.min(inputRows, rows), inputs)
    requireLength('linear', 'bias', bias, channels)
    requireMatrix('linear', 'output', output, rows, channels)
    if (residual) requireMatrix('linear', 'residual', residual, rows, channels)
    if (gate) requireGate(gate, channels)
    if (atCursor) requireInteger('linear', 'plus', atCursor.plus, 0)
    const cursor = atCursor?.cursor ?? gate?.cursor
    if (cursor) requireCursor('linear', cursor, atCursor?.perRow ? rows : 1)
    if (atCursor && gate && atCursor.cursor !== gate.cursor) throw new InvalidInput('linear: atCursor and gate must share one cursor.')
    const inPlace = residual === output
    if (inPlace && atCursor) throw new InvalidInput('linear: a residual cannot be the output when rows are written at the cursor.')

    for (const block of blocks) {
      const params = Uint32Array.of(
        inputs,
        block.channels,
        rows,
        output.shape[0]!,
        inputRows,
        Number(activation === 'silu'),
        atCursor ? 1 + atCursor.plus : 0,
        residual ? (inPlace ? 2 : 1) : 0,
        Number(gate !== undefined),
        gate?.offset ?? 0,
        gate ? width(gate.table) : 0,
        block.first,
        channels,
        Number(atCursor?.perRow ?? false),
      )
      // Bindings that this call does not use still need a buffer: any read-only one will do.
      const tensors = [input, block.tensor, bias, output, gate?.table ?? bias, cursor ?? bias, residual && !inPlace ? residual : bias]
      this.#kernel.dispatch(program, { params, tensors }, Math.ceil(block.channels / channelsPerBlock), rows)
    }
  }
}

/** @param form which of the two kernels; by default the one that suits the adapter. */
export async function loadLinear(gpu: Gpu, weightType: WeightType, form?: Form): Promise<Linear> {
  return new Linear(await loadMatrixKernel(gpu, 'linear', shader, weightType, form))
}

function requireGate({ table, offset }: { table: Tensor; offset: number }, channels: number): void {
  requireMatrix('linear', 'gate table', table, 1, width(table))
  requireInteger('linear', 'gate offset', offset, 0, width(table) - channels)
}
