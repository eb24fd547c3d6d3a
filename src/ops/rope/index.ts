import shader from '../../../shaders/rope.wgsl?raw'
import { InvalidInput } from '../../errors'
import type { Gpu, Kernel, Program, Tensor } from '../../gpu'
import { requireCursor, requireInteger, requireMatrix, width } from '../check'
import { rotations } from './reference'

export interface RopeArguments {
  /** [rows or more, heads * headDim], rotated in place. */
  tensor: Tensor
  rows: number
  cursor: Tensor
  /** True: the rows to rotate lie at row `cursor.base + cursor.position` of the tensor (a key cache); false: from row 0 (queries). */
  atCursor: boolean
  /** Row r belongs to another document, with entry r of the cursor. Default false: the rows follow each other. */
  perRow?: boolean
}

/** Rotary position embedding on interleaved pairs; row r has absolute position `cursor.position + r` (Su et al. 2021; reference/lcm.md §1). */
export class Rope {
  readonly #kernel: Kernel
  readonly #table: Tensor

  constructor(kernel: Kernel, table: Tensor) {
    this.#kernel = kernel
    this.#table = table
  }

  /** @throws InvalidInput when shapes do not fit. */
  record(program: Program, { tensor, rows, cursor, atCursor, perRow = false }: RopeArguments): void {
    const pairs = this.#table.shape[1]! / 2
    requireInteger('rope', 'rows', rows, 1)
    requireMatrix('rope', 'tensor', tensor, rows, width(tensor))
    requireCursor('rope', cursor, perRow ? rows : 1)
    if (width(tensor) % (2 * pairs) !== 0) {
      throw new InvalidInput(`rope: ${tensor.label} has rows of ${width(tensor)}, which is no whole number of heads of ${2 * pairs}.`)
    }
    const params = Uint32Array.of(width(tensor) / 2, pairs, tensor.shape[0]!, Number(atCursor), Number(perRow))
    program.dispatch(this.#kernel, { params, tensors: [tensor, this.#table, cursor] }, [Math.ceil(width(tensor) / 2 / 64), rows])
  }
}

/** @param table of `ropeTable`; the caller frees it when the last program that rotates is done. */
export async function loadRope(gpu: Gpu, table: Tensor): Promise<Rope> {
  return new Rope(await gpu.kernel('rope', shader), table)
}

/**
 * The angles, [positions, headDim], made here in f64: WGSL promises sin and cos only to 2^-11.
 *
 * @param options.headDim features of one head, even.
 * @param options.positions how many absolute positions there may be (the context length); rows beyond are not rotated.
 * @throws InvalidInput for an odd head.
 */
export function ropeTable(gpu: Gpu, { headDim, positions }: { headDim: number; positions: number }): Tensor {
  if (headDim % 2 !== 0) throw new InvalidInput(`rope: a head of ${headDim} features has no whole number of pairs.`)
  return gpu.tensor('rope table', [positions, headDim], { data: Float32Array.from(rotations(positions, headDim)) })
}
