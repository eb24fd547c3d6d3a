import type { Gpu, Tensor } from '../gpu'
import type { StateColumn } from './state-rows'

/** The keys and values of one attention layer, [rows, width] each, with room for more rows than are in use. */
export class KeyValueCache {
  keys: Tensor
  values: Tensor
  readonly #gpu: Gpu

  constructor(gpu: Gpu, label: string, rows: number, width: number) {
    this.#gpu = gpu
    this.keys = gpu.tensor(`${label} keys`, [rows, width])
    this.values = gpu.tensor(`${label} values`, [rows, width])
  }

  /** Makes room for `rows` rows. Programs that bind the old tensors must be recorded again. */
  grow(rows: number): void {
    this.keys = this.#moved(this.keys, rows)
    this.values = this.#moved(this.values, rows)
  }

  /** Where row 0 of a memory's state lies: in row `first` of the keys and of the values. */
  columns(first: number): StateColumn[] {
    return [
      { tensor: this.keys, first },
      { tensor: this.values, first },
    ]
  }

  destroy(): void {
    this.keys.destroy()
    this.values.destroy()
  }

  #moved(from: Tensor, rows: number): Tensor {
    const to = this.#gpu.tensor(from.label, [rows, from.shape[1]!])
    this.#gpu.copy(from, to)
    from.destroy()
    return to
  }
}
