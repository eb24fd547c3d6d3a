export type {
  BaseLcmSettings,
  Concept,
  ConceptModelInfo,
  ContinueResult,
  DeviceInfo,
  DiffusionSettings,
  DocumentContent,
  DocumentSentence,
  DocumentSummary,
  MemorySource,
  ModelInfo,
  RememberedConcept,
  RowCounts,
  SamplingSettings,
  StorageInfo,
  TeacherForcedConcept,
  Translation,
} from '../engine/protocol'
export {
  Aborted,
  ContextFull,
  DeviceLost,
  DocumentChanged,
  DownloadFailed,
  InvalidInput,
  KernelError,
  ModelFormatError,
  ModelIntegrityError,
  NoemaError,
  QuotaExceeded,
  StorageUnavailable,
  UnsupportedLanguage,
  WebGpuUnavailable,
  WorkerFailed,
} from '../errors'
export type { OnProgress, Progress } from '../progress'
export { eraseEverything } from './erase'
export { type LoadOptions, load } from './load'
export type { Memory, MemoryAddOptions, MemoryOptions } from './memory'
export type { ContinueOptions, DecodeOptions, EncodeOptions, Noema, OpenOptions, PredictOptions, TranslateOptions } from './noema'
export type { ContinueSessionOptions, Session } from './session'
