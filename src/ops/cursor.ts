import type { Gpu, Tensor } from '../gpu'

/** Where recorded programs stand. It lives on the GPU, so that one recording serves every position and every denoising step. */
export interface CursorState {
  /** Index of the first new row in the self-attention caches: how many rows they already hold. */
  position: number
  /** How many rows of the cross-attention caches a query sees. */
  contextLength: number
  /** Current denoising step: the row of the modulation and coefficient tables. `ddimStep` increments it on the GPU. */
  step: number
}

/** A cursor at zero: u32 [4] = [position, contextLength, step, unused]. */
export function createCursor(gpu: Gpu): Tensor {
  return gpu.tensor('cursor', [4], { type: 'u32' })
}

/** Sets all three fields, after everything submitted so far. */
export function writeCursor(gpu: Gpu, cursor: Tensor, { position, contextLength, step }: CursorState): void {
  gpu.write(cursor, new Uint32Array([position, contextLength, step, 0]))
}
