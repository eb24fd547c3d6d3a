import type { Gpu, Tensor } from '../gpu'

/** Where recorded programs stand. It lives on the GPU, so that one recording serves every position and every denoising step. */
export interface CursorState {
  /** Index of the first new row in the self-attention caches: how many rows they already hold. */
  position: number
  /** How many rows of the cross-attention caches a query sees. */
  contextLength: number
  /** Current denoising step: the row of the modulation and coefficient tables. `ddimStep` increments it on the GPU. */
  step: number
  /** Where several documents share caches: the cache row at which this one begins. Default 0. */
  base?: number
}

/** `entries` cursors at zero, u32 [4 · entries]: each [position, contextLength, step, base]. Where not every row has its own, the first one counts. */
export function createCursor(gpu: Gpu, entries = 1): Tensor {
  return gpu.tensor('cursor', [4 * entries], { type: 'u32' })
}

/** Sets all fields of one entry, after everything submitted so far. */
export function writeCursor(gpu: Gpu, cursor: Tensor, { position, contextLength, step, base = 0 }: CursorState, entry = 0): void {
  gpu.write(cursor, new Uint32Array([position, contextLength, step, base]), 4 * entry)
}
