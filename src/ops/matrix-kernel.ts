import type { Gpu, Kernel, Program, Tensor } from '../gpu'
import { requireMatrix, width } from './check'

/** A weight matrix [N, K]: one tensor, or its rows one after another in several, where one binding could not hold them all. */
export type Matrix = Tensor | readonly Tensor[]

/** Consecutive rows of a matrix. */
export interface RowBlock {
  /** [channels, K] */
  tensor: Tensor
  /** Row of the matrix that is the block's first. */
  first: number
  channels: number
}

/** The blocks of a matrix from its first row on. @throws InvalidInput unless all have `inputs` columns and the type `type`. */
export function rowBlocks(op: string, name: string, matrix: Matrix, inputs: number, type: WeightType): RowBlock[] {
  let first = 0
  return tensorsOf(matrix).map((tensor) => {
    requireMatrix(op, name, tensor, 1, inputs, [type])
    const channels = tensor.shape[0]!
    const block = { tensor, first, channels }
    first += channels
    return block
  })
}

/** N and K. */
export function matrixShape(matrix: Matrix): { channels: number; inputs: number } {
  const tensors = tensorsOf(matrix)
  return { channels: tensors.reduce((sum, { shape }) => sum + shape[0]!, 0), inputs: width(tensors[0]!) }
}

export function matrixType(matrix: Matrix): WeightType {
  return tensorsOf(matrix)[0]!.type as WeightType
}

function tensorsOf(matrix: Matrix): readonly Tensor[] {
  return 'buffer' in matrix ? [matrix] : matrix
}

/**
 * How a matrix kernel divides its work. `workgroup`: the lanes of a workgroup share one sum, with coalesced loads and a reduction, as GPUs
 * like it. `thread`: each thread computes a block of results in registers, without barriers or shared memory, as SwiftShader and its like want it.
 */
export type Form = 'workgroup' | 'thread'

export type WeightType = 'f32' | 'f16'

/** Threads of a workgroup in the `thread` form, as in the shaders: small, so that few channels still keep every core busy. */
const threadsPerWorkgroup = 8

/** Row counts that are compiled. A row's arithmetic is the same in each, and so are its bits. */
type RowTile = 1 | 2 | 4

/** A matrix kernel for one weight type, in one form: a pipeline for each number of rows computed together. */
export class MatrixKernel {
  readonly weightType: WeightType
  readonly #form: Form
  readonly #kernels: Record<RowTile, Kernel>

  constructor(weightType: WeightType, form: Form, kernels: Record<RowTile, Kernel>) {
    this.weightType = weightType
    this.#form = form
    this.#kernels = kernels
  }

  /** Records the kernel over `rows` rows and over `blocks` blocks of as many channels as one workgroup (or thread) takes. */
  dispatch(program: Program, bindings: { params: Uint32Array; tensors: Tensor[] }, blocks: number, rows: number): void {
    const tile: RowTile = rows === 1 ? 1 : rows === 2 ? 2 : 4
    const across = this.#form === 'thread' ? Math.ceil(blocks / threadsPerWorkgroup) : blocks
    program.dispatch(this.#kernels[tile], bindings, [across, Math.ceil(rows / tile)])
  }
}

/**
 * Compiles the entry point `by_<form>` of a shader that has the overrides HALF_WEIGHTS and ROWS.
 *
 * @param form default: `thread` on a software adapter, `workgroup` on a GPU.
 */
export async function loadMatrixKernel(
  gpu: Gpu,
  name: string,
  shader: string,
  weightType: WeightType,
  form: Form = gpu.info.software ? 'thread' : 'workgroup',
): Promise<MatrixKernel> {
  const load = (ROWS: RowTile) =>
    gpu.kernel(`${name} ${weightType}, ${ROWS} rows by ${form}`, shader, { HALF_WEIGHTS: Number(weightType === 'f16'), ROWS }, `by_${form}`)
  const [one, two, four] = await Promise.all([load(1), load(2), load(4)])
  return new MatrixKernel(weightType, form, { 1: one, 2: two, 4: four })
}
