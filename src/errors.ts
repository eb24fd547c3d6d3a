/** Facts that belong to an error, all structured-cloneable so that they cross the worker boundary. */
export type ErrorDetails = Record<string, string | number | boolean | null>

/**
 * Base of every error this library throws. `code` is stable across versions; `message` is a sentence that says what to do.
 * Subclasses differ only in `code`, so that an error can be rebuilt by code on the other side of the worker boundary.
 */
export class NoemaError extends Error {
  readonly code: string
  readonly details: ErrorDetails

  constructor(code: string, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options)
    this.name = 'NoemaError'
    this.code = code
    this.details = details
  }
}

/** The name is given as text because minifiers rename classes. */
function errorClass(name: string, code: string) {
  return class extends NoemaError {
    static readonly code = code
    constructor(message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
      super(code, message, details, options)
      this.name = name
    }
  }
}

/** The browser has no usable WebGPU adapter; `message` says why and what to try. */
export class WebGpuUnavailable extends errorClass('WebGpuUnavailable', 'webgpu-unavailable') {}
/** The GPU device was lost (driver reset, tab in the background, too little memory) again and again: a single loss is made good. */
export class DeviceLost extends errorClass('DeviceLost', 'device-lost') {}
/** A WGSL shader did not compile or a GPU call was refused: a defect of this library or of the driver. */
export class KernelError extends errorClass('KernelError', 'kernel-error') {}
/** A file could not be fetched (network, 404). What had arrived is kept, and the next `load` goes on from there. */
export class DownloadFailed extends errorClass('DownloadFailed', 'download-failed') {}
/** A file's size or SHA-256 differs from the manifest; it is not used. */
export class ModelIntegrityError extends errorClass('ModelIntegrityError', 'model-integrity') {}
/** A manifest, safetensors, ONNX or tokenizer file does not have the form it must have. */
export class ModelFormatError extends errorClass('ModelFormatError', 'model-format') {}
/** The browser's storage is full; `details` has the numbers. */
export class QuotaExceeded extends errorClass('QuotaExceeded', 'quota-exceeded') {}
/** The browser does not let this page keep anything (a private window, storage switched off): documents cannot be opened. */
export class StorageUnavailable extends errorClass('StorageUnavailable', 'storage-unavailable') {}
/** The document has more concepts than the model's context holds. */
export class ContextFull extends errorClass('ContextFull', 'context-full') {}
/** The language code is not one of the space's languages; `details.supported` lists them. */
export class UnsupportedLanguage extends errorClass('UnsupportedLanguage', 'unsupported-language') {}
/** Another tab has changed the document since it was last seen: nothing was done. Look at it as it is now and decide again. */
export class DocumentChanged extends errorClass('DocumentChanged', 'document-changed') {}
/** The model folder has a space and no concept model: it encodes, decodes and translates, and continues nothing. */
export class NoConceptModel extends errorClass('NoConceptModel', 'no-concept-model') {}
/** An argument is empty, too large, of the wrong shape or out of range. */
export class InvalidInput extends errorClass('InvalidInput', 'invalid-input') {}
/** The caller aborted the call, or disposed of the engine while it ran. */
export class Aborted extends errorClass('Aborted', 'aborted') {}
/** The worker did not start, or was killed. What was stored is there: load the model again. */
export class WorkerFailed extends errorClass('WorkerFailed', 'worker-failed') {}

const classes = [
  WebGpuUnavailable,
  DeviceLost,
  KernelError,
  DownloadFailed,
  ModelIntegrityError,
  ModelFormatError,
  QuotaExceeded,
  StorageUnavailable,
  ContextFull,
  UnsupportedLanguage,
  DocumentChanged,
  NoConceptModel,
  InvalidInput,
  Aborted,
  WorkerFailed,
]

/** What crosses the worker boundary in place of an error. */
export interface SerializedError {
  code: string
  message: string
  details: ErrorDetails
}

/** Any thrown value as plain data; what is not a `NoemaError` keeps its message under the code `internal`. */
export function serializeError(error: unknown): SerializedError {
  if (error instanceof NoemaError) return { code: error.code, message: error.message, details: error.details }
  return { code: 'internal', message: error instanceof Error ? error.message : String(error), details: {} }
}

/** The typed error that `serializeError` flattened. */
export function deserializeError({ code, message, details }: SerializedError): NoemaError {
  const known = classes.find((candidate) => candidate.code === code)
  return known ? new known(message, details) : new NoemaError(code, message, details)
}

/** Throws `Aborted` when the signal has fired. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw new Aborted('The call was aborted.')
}
