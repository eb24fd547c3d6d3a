export type { ArrayReport, CaseReport } from '../engine/conformance-report'
export type {
  Backend,
  BaseLcmSettings,
  Concept,
  ConceptModelInfo,
  ConceptOfMany,
  ContinuedDocument,
  ContinueResult,
  DeviceInfo,
  DiffusionSettings,
  DocumentContent,
  DocumentSentence,
  DocumentSummary,
  MemorySource,
  ModelInfo,
  QuantLcmSettings,
  RememberedConcept,
  RowCounts,
  SamplingSettings,
  StopReason,
  StorageInfo,
  SummaryResult,
  TeacherForcedConcept,
  TextSettings,
  Translation,
} from '../engine/protocol'
export type { ErrorDetails, SerializedError } from '../errors'
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
  NoConceptModel,
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
export type {
  Cancellable,
  ContinueManyOptions,
  ContinueOptions,
  DecodeOptions,
  EncodeOptions,
  Noema,
  OpenOptions,
  PredictOptions,
  SummarizeOptions,
  TranslateOptions,
} from './noema'
export type { ContinueSessionOptions, Session, SummarizeSessionOptions } from './session'
