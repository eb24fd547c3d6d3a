export type {
  Concept,
  ContinueResult,
  DeviceInfo,
  DocumentContent,
  DocumentSentence,
  DocumentSummary,
  ModelInfo,
  RowCounts,
  SamplingSettings,
  TeacherForcedConcept,
  Translation,
} from '../engine/protocol'
export {
  Aborted,
  ContextFull,
  DeviceLost,
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
export { type LoadOptions, load } from './load'
export type { ContinueOptions, DecodeOptions, EncodeOptions, Noema, PredictOptions, TranslateOptions } from './noema'
export type { ContinueSessionOptions, Session } from './session'
