import type * as api from '../api'
import {
  Aborted,
  ContextFull,
  DeviceLost,
  DocumentChanged,
  DownloadFailed,
  eraseEverything,
  InvalidInput,
  KernelError,
  load,
  ModelFormatError,
  ModelIntegrityError,
  NoConceptModel,
  NoemaError,
  QuotaExceeded,
  StorageUnavailable,
  UnsupportedLanguage,
  WebGpuUnavailable,
  WorkerFailed,
} from '../api'
import { NoemaWriter } from './noema-writer'

export * from '../api'
export type { WriterDone, WriterEvents } from './events'
export { NoemaWriter, type WriterSettings } from './noema-writer'

declare global {
  /** The library, for scripts that are no modules: there once this module has run, at the latest when the page fires `DOMContentLoaded`. */
  var Noema: typeof api
}

// By name, and the type says that none is missing: the object of a whole module takes code of the bundler's in a file of its own.
globalThis.Noema = {
  Aborted,
  ContextFull,
  DeviceLost,
  DocumentChanged,
  DownloadFailed,
  eraseEverything,
  InvalidInput,
  KernelError,
  load,
  ModelFormatError,
  ModelIntegrityError,
  NoConceptModel,
  NoemaError,
  QuotaExceeded,
  StorageUnavailable,
  UnsupportedLanguage,
  WebGpuUnavailable,
  WorkerFailed,
}
// Two copies of this script may meet on one page.
if (!customElements.get('noema-writer')) customElements.define('noema-writer', NoemaWriter)
