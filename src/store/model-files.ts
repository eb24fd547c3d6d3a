import { ModelFormatError, throwIfAborted } from '../errors'
import { sha256, verifyFile } from '../formats/integrity'
import { type Manifest, parseManifest } from '../formats/manifest'
import type { OnProgress } from '../progress'
import { download, fetchBytes } from './download'
import { ModelCache } from './model-cache'
import { indexedDbStorage, type Storage } from './storage'

/** A model folder in memory, every file verified. */
export interface ModelFiles {
  manifest: Manifest
  /** SHA-256 of the manifest's bytes: the model's identity. */
  fingerprint: string
  /** Bytes by file name. */
  contents: ReadonlyMap<string, Uint8Array<ArrayBuffer>>
  /** A sentence for the user when the model works but could not be stored, or is an older one because the server was out of reach. */
  warning: string | null
}

export interface LoadModelFilesOptions {
  onProgress?: OnProgress
  signal?: AbortSignal
  /** Default: IndexedDB. */
  storage?: Storage
}

/** Time the server has to answer with the manifest when a stored one could be used instead, in milliseconds. */
const manifestPatience = 5000

/**
 * All files of a model folder. The manifest comes from the network, or from the store when that fails; every other file from the store, or
 * from the network, when its size and SHA-256 are verified before it is used or stored. Files of the version before are removed once all of the
 * new one are stored. A store that is full or out of order does not stop anything: the files stay in memory and `warning` says so.
 *
 * @param folder URL of the folder, absolute or relative to the page or worker.
 * @throws DownloadFailed; ModelIntegrityError; ModelFormatError; Aborted.
 */
export async function loadModelFiles(folder: string, options: LoadModelFilesOptions = {}): Promise<ModelFiles> {
  const { signal, onProgress, storage = indexedDbStorage() } = options
  throwIfAborted(signal)
  const base = new URL(folder.endsWith('/') ? folder : `${folder}/`, globalThis.location?.href)
  const cache = new ModelCache(storage, base.href)
  const { text, manifest, warning } = await findManifest(base, cache, signal)
  const contents = new Map<string, Uint8Array<ArrayBuffer>>()
  const progress = new DownloadProgress(manifest, onProgress)
  for (const [name, entry] of Object.entries(manifest.files)) {
    throwIfAborted(signal)
    let file = await cache.read(entry)
    if (!file) {
      file = await download(new URL(name, base), name, entry, signal, (loaded) => progress.loaded(name, loaded))
      await verifyFile(name, file, entry)
      throwIfAborted(signal)
      await cache.write(entry, file)
    }
    contents.set(name, file)
    progress.finished(name, entry.bytes)
  }
  throwIfAborted(signal)
  await cache.finish(text, manifest.files, contents)
  const fingerprint = await sha256(new TextEncoder().encode(text))
  return { manifest, fingerprint, contents, warning: warning ?? cache.warning }
}

interface FoundManifest {
  text: string
  manifest: Manifest
  warning: string | null
}

/** The manifest from the network or, when there is none to be had there, the one whose files are all stored. */
async function findManifest(base: URL, cache: ModelCache, signal: AbortSignal | undefined): Promise<FoundManifest> {
  const stored = await cache.manifestText()
  try {
    const patience = stored === null ? [] : [AbortSignal.timeout(manifestPatience)]
    const bytes = await fetchBytes(new URL('manifest.json', base), AbortSignal.any(signal ? [signal, ...patience] : patience))
    return { ...parseText(bytes), warning: null }
  } catch (error) {
    throwIfAborted(signal)
    if (stored === null) throw error
    const found = parseText(new TextEncoder().encode(stored))
    return { ...found, warning: `The model's server gave no usable answer; the stored version ${found.manifest.version} is used.` }
  }
}

function parseText(bytes: Uint8Array): { text: string; manifest: Manifest } {
  let text: string
  let json: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    json = JSON.parse(text)
  } catch (cause) {
    throw new ModelFormatError('The manifest.json of the model folder is not JSON.', { field: 'manifest' }, { cause })
  }
  return { text, manifest: parseManifest(json) }
}

/** Reports bytes over all files, at most a few hundred times. */
class DownloadProgress {
  readonly #onProgress: OnProgress | undefined
  readonly #total: number
  #finished = 0
  #reported = 0

  constructor({ files }: Manifest, onProgress: OnProgress | undefined) {
    this.#onProgress = onProgress
    this.#total = Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0)
  }

  loaded(file: string, bytes: number): void {
    const loaded = this.#finished + bytes
    if (loaded - this.#reported < this.#total / 200) return
    this.#reported = loaded
    this.#onProgress?.({ stage: 'download', file, loaded, total: this.#total })
  }

  finished(file: string, bytes: number): void {
    this.#finished += bytes
    this.#reported = this.#finished
    for (const stage of ['download', 'verify'] as const) this.#onProgress?.({ stage, file, loaded: this.#finished, total: this.#total })
  }
}
