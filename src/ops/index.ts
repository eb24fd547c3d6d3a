/**
 * The operations of a concept model on the GPU. Each folder has the kernel's host side, its plain definition and its test. `centroid-distances` and
 * `refine-step` are imported from there, so that only a page with a Quant-LCM loads them.
 */
export { type AddRows, type AddRowsArguments, loadAddRows } from './add-rows'
export { type Attention, type AttentionArguments, type CrossAttentionArguments, loadAttention } from './attention'
export {
  bestRows,
  type CosineSearch,
  type CosineSearchArguments,
  cosineErrorBound,
  cosineReference,
  type FoundRow,
  loadCosineSearch,
  packedWidth,
  packRows,
  rankedRows,
  searchTile,
} from './cosine-search'
export { type CursorState, createCursor, writeCursor } from './cursor'
export {
  type DdimCoefficients,
  type DdimStep,
  type DdimStepArguments,
  loadDdimStep,
  type PredictionType,
  packDdimCoefficients,
} from './ddim-step'
export { type Linear, type LinearArguments, loadLinear } from './linear'
export { type Matrix, matrixType } from './matrix-kernel'
export { loadRmsNorm, type RmsNorm, type RmsNormArguments } from './rms-norm'
export { loadRope, type Rope, type RopeArguments, ropeTable } from './rope'
export { loadSwiGlu, type SwiGlu, type SwiGluArguments } from './swi-glu'
