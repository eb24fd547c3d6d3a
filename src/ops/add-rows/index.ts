import shader from '../../../shaders/add-rows.wgsl?raw'
import type { Gpu, Kernel, Program, Tensor } from '../../gpu'
import { requireInteger, requireLength, requireMatrix, width } from '../check'

export interface AddRowsArguments {
  /** [rows or more, d], added to in place. */
  tensor: Tensor
  rows: number
  /** [tableRows, d]; rows beyond its last add nothing. */
  table: Tensor
  cursor: Tensor
  /** Which table row the first row gets: row `cursor.step`, or row `cursor.position + plus`. */
  first: 'step' | { plus: number }
  /** Every row gets the same table row. Default false: each row the one after its predecessor's. */
  sameRow?: boolean
}

/** x += table rows that the cursor picks: learned positions, and whatever depends on the denoising step. */
export class AddRows {
  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** @throws InvalidInput when shapes do not fit. */
  record(program: Program, { tensor, rows, table, cursor, first, sameRow = false }: AddRowsArguments): void {
    const features = width(tensor)
    const plus = first === 'step' ? 0 : first.plus
    requireInteger('addRows', 'rows', rows, 1)
    requireInteger('addRows', 'plus', plus, 0)
    requireMatrix('addRows', 'tensor', tensor, rows, features)
    requireMatrix('addRows', 'table', table, 1, features)
    requireLength('addRows', 'cursor', cursor, 4, 'u32')
    const params = Uint32Array.of(features, table.shape[0]!, Number(first === 'step'), plus, Number(!sameRow))
    program.dispatch(this.#kernel, { params, tensors: [tensor, table, cursor] }, [Math.ceil(features / 64), rows])
  }
}

export async function loadAddRows(gpu: Gpu): Promise<AddRows> {
  return new AddRows(await gpu.kernel('addRows', shader))
}
