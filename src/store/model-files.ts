import { DownloadFailed, ModelFormatError, ModelIntegrityError, type NoemaError, throwIfAborted } from '../errors'
import { sha256, verifyFile } from '../formats/integrity'
import { type FileEntry, type Manifest, parseManifest } from '../formats/manifest'
import type { OnProgress } from '../progress'
import { download, fetchBytes } from './download'
import { DownloadNews } from './download-news'
import { exclusive } from './exclusive'
import { LoadProgress } from './load-progress'
import { ModelCache } from './model-cache'
import { indexedDbStorage, type Storage } from './storage'
import { chunkBytes, type StoredPart } from './stored-file'

/** A model folder in memory, every file verified. */
export interface ModelFiles {
  manifest: Manifest
  /** SHA-256 of the manifest's bytes: the model's identity. */
  fingerprint: string
  /** Bytes by file name. */
  contents: ReadonlyMap<string, Uint8Array<ArrayBuffer>>
  /** Whether all of it is in the storage for the next visit. */
  stored: boolean
  /**
   * Set when the model works but could not be stored (QuotaExceeded with the bytes `needed` and `available`, StorageUnavailable) or is an older
   * version because the new one could not be had (DownloadFailed).
   */
  warning: NoemaError | null
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
 * All files of a model folder. The manifest comes from the network, or from the store when that fails; every other file from the store and, what
 * is missing there, from the network. Chunks are stored as they arrive, so that a download that was cut off goes on; the size and SHA-256 of
 * every file are verified before it is used, whether it was downloaded or stored. Files of the version before are removed once all of the new
 * one are stored; until then that version is used when the new one cannot be had. A store that is full or out of order does not stop anything:
 * the files stay in memory and `warning` says so.
 *
 * One tab at a time works on a folder; the others report its progress, and go on where it ended or died.
 *
 * @param folder URL of the folder, absolute or relative to the page or worker.
 * @throws DownloadFailed; ModelIntegrityError; ModelFormatError; Aborted.
 */
export async function loadModelFiles(folder: string, options: LoadModelFilesOptions = {}): Promise<ModelFiles> {
  const { signal, onProgress, storage = indexedDbStorage() } = options
  throwIfAborted(signal)
  const base = new URL(folder.endsWith('/') ? folder : `${folder}/`, globalThis.location?.href)
  const news = new DownloadNews(base.href)
  const progress = new LoadProgress(onProgress)
  news.listen((theirs) => progress.report(theirs))
  try {
    return await exclusive(`noema-model ${base.href}`, signal, () => {
      news.ignore()
      progress.onDownload = (own) => news.announce(own)
      return new ModelLoad(base, new ModelCache(storage, base.href), progress, signal).run()
    })
  } finally {
    news.close()
  }
}

interface Version {
  manifestText: string
  manifest: Manifest
}

/** One load of one folder, the only one at its time. */
class ModelLoad {
  readonly #base: URL
  readonly #cache: ModelCache
  readonly #progress: LoadProgress
  readonly #signal: AbortSignal | undefined

  constructor(base: URL, cache: ModelCache, progress: LoadProgress, signal: AbortSignal | undefined) {
    this.#base = base
    this.#cache = cache
    this.#progress = progress
    this.#signal = signal
  }

  async run(): Promise<ModelFiles> {
    const stored = readable(await this.#cache.manifestText())
    const offered = await this.#offered(stored !== null).catch((error): null => {
      throwIfAborted(this.#signal)
      if (!stored) throw error
      return null
    })
    if (!offered) return this.#load(stored!, "The model's server gave no usable answer")
    if (!stored || stored.manifestText === offered.manifestText) return this.#load(offered)
    return this.#load(offered).catch((error) => {
      if (!(error instanceof DownloadFailed || error instanceof ModelIntegrityError)) throw error
      return this.#load(stored, `Version ${offered.manifest.version} of the model could not be downloaded`)
    })
  }

  /** The version that the server has. */
  async #offered(isPatienceShort: boolean): Promise<Version> {
    const signals = [...(this.#signal ? [this.#signal] : []), ...(isPatienceShort ? [AbortSignal.timeout(manifestPatience)] : [])]
    return parseVersion(await fetchBytes(new URL('manifest.json', this.#base), AbortSignal.any(signals)))
  }

  /** @param excuse why this is not the version that the server has, when it is not. */
  async #load({ manifestText, manifest }: Version, excuse?: string): Promise<ModelFiles> {
    const version = { manifestText, files: manifest.files }
    this.#cache.begin(version)
    this.#progress.begin(manifest)
    const contents = new Map<string, Uint8Array<ArrayBuffer>>()
    for (const [name, entry] of Object.entries(manifest.files)) {
      throwIfAborted(this.#signal)
      contents.set(name, await this.#file(name, entry))
      this.#progress.finished(name, entry.bytes)
    }
    throwIfAborted(this.#signal)
    // What is there of a newer version stays, so that its download can go on.
    const stored = excuse !== undefined || (await this.#cache.finish(version, contents))
    const older = excuse === undefined ? null : new DownloadFailed(`${excuse}; the stored version ${manifest.version} is used.`)
    const fingerprint = await sha256(new TextEncoder().encode(manifestText))
    return { manifest, fingerprint, contents, stored, warning: older ?? this.#cache.warning }
  }

  /** One file, verified. Bytes that were stored and do not fit the rest or the hash are fetched anew. */
  async #file(name: string, entry: FileEntry): Promise<Uint8Array<ArrayBuffer>> {
    const file = allocate(name, entry.bytes)
    let part = await this.#cache.read(entry, file)
    if (part.length === entry.bytes) {
      if ((await sha256(file)) === entry.sha256) {
        this.#cache.keep(entry)
        return file
      }
      part = nothing
    }
    this.#progress.loaded(name, part.length)
    let chunks = Math.floor(part.length / chunkBytes)
    const fetchRest = async (part: StoredPart) =>
      download(new URL(name, this.#base), name, file, {
        part,
        signal: this.#signal,
        onBegin: (etag) => {
          chunks = 0
          return this.#cache.beginFile(entry, etag)
        },
        onBytes: async (loaded) => {
          this.#progress.loaded(name, loaded)
          for (; Math.min((chunks + 1) * chunkBytes, entry.bytes) <= loaded && chunks * chunkBytes < loaded; chunks++) {
            await this.#cache.writeChunk(entry, chunks, file.subarray(chunks * chunkBytes, (chunks + 1) * chunkBytes))
          }
        },
      })
    const wentOn = await fetchRest(part)
    if (wentOn && (await sha256(file)) !== entry.sha256) await fetchRest(nothing)
    await verifyFile(name, file, entry).catch(async (error) => {
      await this.#cache.drop(entry)
      throw error
    })
    this.#cache.keep(entry)
    return file
  }
}

const nothing: StoredPart = { length: 0, etag: null }

function allocate(name: string, bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes)
  } catch (cause) {
    throw new DownloadFailed(`"${name}" has ${bytes} bytes, more than this browser can hold in memory.`, { file: name, bytes }, { cause })
  }
}

/** A stored manifest that an older or newer version of this library wrote may be of no use. */
function readable(manifestText: string | null): Version | null {
  try {
    return manifestText === null ? null : parseVersion(new TextEncoder().encode(manifestText))
  } catch {
    return null
  }
}

function parseVersion(bytes: Uint8Array): Version {
  let manifestText: string
  let json: unknown
  try {
    manifestText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    json = JSON.parse(manifestText)
  } catch (cause) {
    throw new ModelFormatError('The manifest.json of the model folder is not JSON.', { field: 'manifest' }, { cause })
  }
  return { manifestText, manifest: parseManifest(json) }
}
