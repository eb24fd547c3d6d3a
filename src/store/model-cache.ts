import { type NoemaError, QuotaExceeded, StorageUnavailable } from '../errors'
import type { FileEntry } from '../formats/manifest'
import { exclusive } from './exclusive'
import type { Storage } from './storage'
import { chunkBytes, StoredFile, type StoredPart } from './stored-file'

/** What is stored of a model folder whose files are all stored. */
interface StoredModel {
  manifestText: string
  /** SHA-256 of its files. */
  hashes: string[]
}

/** A version of a model folder. */
export interface ModelVersion {
  manifestText: string
  files: Record<string, FileEntry>
}

const modelPrefix = 'model:'
const begunPrefix = 'begun:'

/**
 * The stored files of one model folder. No method rejects: the first failure of the storage sets `warning`, and from then on nothing more is
 * written.
 */
export class ModelCache {
  readonly #storage: Storage
  readonly #folder: string
  #files: FileEntry[] = []
  /** Hashes of the files known to be stored whole. */
  readonly #stored = new Set<string>()
  #hasWritten = false
  #warning: NoemaError | null = null

  /** @param folder the folder's absolute URL. */
  constructor(storage: Storage, folder: string) {
    this.#storage = storage
    this.#folder = folder
  }

  /** Why the model could not be stored: QuotaExceeded, with the bytes `needed` and `available` as details, or StorageUnavailable. */
  get warning(): NoemaError | null {
    return this.#warning
  }

  /** The manifest of the version that is stored whole, or null. */
  async manifestText(): Promise<string | null> {
    return this.#attempt(async () => (await this.#model(this.#folder))?.manifestText ?? null, null)
  }

  /** Says which version is to be stored. */
  begin({ files }: ModelVersion): void {
    this.#files = Object.values(files)
  }

  /** Fills `file`, [entry.bytes], with what is stored of it: from its beginning, and not verified. */
  async read(entry: FileEntry, file: Uint8Array): Promise<StoredPart> {
    return this.#attempt(() => new StoredFile(this.#storage, entry.sha256).read(file), { length: 0, etag: null })
  }

  /** Says that a file that was read is right. */
  keep({ sha256 }: FileEntry): void {
    this.#stored.add(sha256)
  }

  /** Says that the chunks of a file come from the beginning, out of an answer with this entity tag. */
  async beginFile(entry: FileEntry, etag: string | null): Promise<void> {
    if (this.#warning) return
    await this.#attempt(async () => {
      await this.#noteBegun()
      await new StoredFile(this.#storage, entry.sha256).begin(etag)
    }, undefined)
  }

  /** Stores one chunk of a file that need not be whole. When there is no room for it, what is stored of the file goes. */
  async writeChunk(entry: FileEntry, index: number, chunk: Uint8Array): Promise<void> {
    if (this.#warning) return
    this.#hasWritten = true
    const file = new StoredFile(this.#storage, entry.sha256)
    await this.#attempt(
      () =>
        file.write(index, chunk).catch(async (error) => {
          await file.remove()
          throw error
        }),
      undefined,
    )
  }

  /** Removes what is stored of a file that turned out not to be what the manifest names. */
  async drop(entry: FileEntry): Promise<void> {
    await this.#attempt(() => new StoredFile(this.#storage, entry.sha256).remove(), undefined)
  }

  /**
   * Makes this version the stored one and removes the files that only the version before needed. When the storage had no room for both, the
   * version before goes first: the new one is whole in memory.
   *
   * @returns whether it is stored.
   */
  async finish({ manifestText, files }: ModelVersion, contents: ReadonlyMap<string, Uint8Array>): Promise<boolean> {
    const hashes = Object.values(files).map(({ sha256 }) => sha256)
    const finish = async () => {
      if (!this.#warning && !this.#hasWritten && (await this.#model(this.#folder))?.manifestText === manifestText) return true
      const superseded = await this.#superseded(hashes)
      if (this.#warning) {
        if (superseded.length === 0) return false
        await this.#storage.delete([modelPrefix + this.#folder])
        await this.#remove(superseded)
        this.#warning = null
      }
      await this.#storeMissing(files, contents)
      const model: StoredModel = { manifestText, hashes }
      await this.#storage.set(modelPrefix + this.#folder, model)
      await this.#remove(superseded)
      await this.#storage.delete([begunPrefix + this.#folder])
      return true
    }
    // Of all folders at once: one must not remove what another is about to need.
    return this.#attempt(() => exclusive('noema-models', undefined, finish), false)
  }

  /** Stores from memory what there was no room for, or what another folder has removed since it was read. */
  async #storeMissing(files: Record<string, FileEntry>, contents: ReadonlyMap<string, Uint8Array>): Promise<void> {
    const keys = await this.#storage.keys()
    for (const [name, entry] of Object.entries(files)) {
      const chunks = keys.filter((key) => key.startsWith(`chunk:${entry.sha256}:`)).length
      if (chunks === Math.ceil(entry.bytes / chunkBytes)) continue
      this.#stored.delete(entry.sha256)
      await this.#store(new StoredFile(this.#storage, entry.sha256), contents.get(name)!)
      this.#stored.add(entry.sha256)
    }
  }

  async #store(file: StoredFile, content: Uint8Array): Promise<void> {
    try {
      await file.begin(null)
      for (let start = 0; start < content.length; start += chunkBytes) {
        await file.write(start / chunkBytes, content.subarray(start, start + chunkBytes))
      }
    } catch (error) {
      await file.remove()
      throw error
    }
  }

  async #remove(hashes: readonly string[]): Promise<void> {
    for (const sha256 of hashes) await new StoredFile(this.#storage, sha256).remove()
  }

  /** Files stored or begun for this folder that neither `hashes` nor another folder needs. */
  async #superseded(hashes: readonly string[]): Promise<string[]> {
    const needed = new Set(hashes)
    const own = new Set([...((await this.#model(this.#folder))?.hashes ?? []), ...(await this.#begun(this.#folder))])
    for (const key of await this.#storage.keys()) {
      const folder = key.slice(key.indexOf(':') + 1)
      if (folder === this.#folder) continue
      if (key.startsWith(modelPrefix)) for (const hash of (await this.#model(folder))?.hashes ?? []) needed.add(hash)
      if (key.startsWith(begunPrefix)) for (const hash of await this.#begun(folder)) needed.add(hash)
    }
    return [...own].filter((hash) => !needed.has(hash))
  }

  async #model(folder: string): Promise<StoredModel | null> {
    const model = (await this.#storage.get(modelPrefix + folder)) as Partial<StoredModel> | null | undefined
    return typeof model?.manifestText === 'string' && isTexts(model.hashes) ? (model as StoredModel) : null
  }

  /** Files that were begun for a folder and whose version has not become the stored one: what an ended page leaves behind. */
  async #begun(folder: string): Promise<string[]> {
    const begun = await this.#storage.get(begunPrefix + folder)
    return isTexts(begun) ? begun : []
  }

  async #noteBegun(): Promise<void> {
    const begun = await this.#begun(this.#folder)
    const all = new Set([...begun, ...this.#files.map(({ sha256 }) => sha256)])
    if (all.size > begun.length) await this.#storage.set(begunPrefix + this.#folder, [...all])
  }

  async #attempt<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await work()
    } catch (error) {
      this.#warning = await this.#warningFor(error)
      return otherwise
    }
  }

  async #warningFor(cause: unknown): Promise<NoemaError> {
    const consequence = 'it works now and will be downloaded again next time.'
    if (!(cause instanceof Error && cause.name === 'QuotaExceededError')) {
      return new StorageUnavailable(`The browser does not let this page store the model: ${consequence}`, {}, { cause })
    }
    const missing = this.#files.filter(({ sha256 }) => !this.#stored.has(sha256))
    const needed = missing.reduce((sum, { bytes }) => sum + bytes, 0)
    const { usage, quota } = (await globalThis.navigator?.storage?.estimate().catch(() => undefined)) ?? {}
    const available = usage === undefined || quota === undefined ? null : Math.max(0, quota - usage)
    const numbers = `${megabytes(needed)} more are needed${available === null ? '' : ` and ${megabytes(available)} are available`}`
    return new QuotaExceeded(`The browser has no room to store the model (${numbers}): ${consequence}`, { needed, available }, { cause })
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
