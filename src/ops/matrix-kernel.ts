import type { Gpu, Kernel, Program, Tensor } from '../gpu'

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
