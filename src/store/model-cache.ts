import type { FileEntry } from '../formats/manifest'
import type { Storage } from './storage'
import { readStoredFile, removeStoredFile, writeStoredFile } from './stored-file'

/** What is stored of a model folder whose files are all stored. */
interface StoredModel {
  manifestText: string
  /** SHA-256 of its files. */
  hashes: string[]
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
  /** Hashes of the files known to be stored. */
  readonly #stored = new Set<string>()
  #hasWritten = false
  #warning: string | null = null

  /** @param folder the folder's absolute URL. */
  constructor(storage: Storage, folder: string) {
    this.#storage = storage
    this.#folder = folder
  }

  /** A sentence for the user when the model could not be stored. */
  get warning(): string | null {
    return this.#warning
  }

  /** The manifest of the version that is stored whole, or null. */
  async manifestText(): Promise<string | null> {
    return this.#attempt(async () => (await this.#model(this.#folder))?.manifestText ?? null, null)
  }

  /** The file if it is stored whole. */
  async read(entry: FileEntry): Promise<Uint8Array<ArrayBuffer> | null> {
    const file = await this.#attempt(() => readStoredFile(this.#storage, entry), null)
    if (file) this.#stored.add(entry.sha256)
    return file
  }

  /** Stores a verified file. */
  async write({ sha256 }: FileEntry, file: Uint8Array): Promise<void> {
    if (this.#warning) return
    await this.#attempt(async () => {
      const begun = await this.#begun(this.#folder)
      if (!begun.includes(sha256)) await this.#storage.set(begunPrefix + this.#folder, [...begun, sha256])
      await this.#store(sha256, file)
    }, undefined)
  }

  /**
   * Makes this version the stored one and removes the files that only the version before needed. When the storage had no room for both, the
   * version before goes first: the new one is whole in memory.
   */
  async finish(manifestText: string, files: Record<string, FileEntry>, contents: ReadonlyMap<string, Uint8Array>): Promise<void> {
    const hashes = Object.values(files).map(({ sha256 }) => sha256)
    await this.#attempt(async () => {
      if (!this.#warning && !this.#hasWritten && (await this.#model(this.#folder))?.manifestText === manifestText) return
      const superseded = await this.#superseded(hashes)
      if (this.#warning) {
        if (superseded.length === 0) return
        await this.#storage.delete([modelPrefix + this.#folder])
        await this.#remove(superseded)
        for (const [name, { sha256 }] of Object.entries(files)) {
          if (!this.#stored.has(sha256)) await this.#store(sha256, contents.get(name)!)
        }
        this.#warning = null
      }
      const model: StoredModel = { manifestText, hashes }
      await this.#storage.set(modelPrefix + this.#folder, model)
      await this.#remove(superseded)
      await this.#storage.delete([begunPrefix + this.#folder])
    }, undefined)
  }

  async #store(sha256: string, file: Uint8Array): Promise<void> {
    this.#hasWritten = true
    await writeStoredFile(this.#storage, sha256, file)
    this.#stored.add(sha256)
  }

  async #remove(hashes: readonly string[]): Promise<void> {
    for (const sha256 of hashes) await removeStoredFile(this.#storage, sha256)
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

  async #attempt<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await work()
    } catch (error) {
      this.#warning = isQuotaError(error)
        ? 'The browser has no room to store the model: it works now and will be downloaded again next time.'
        : 'The browser does not let this page store the model: it works now and will be downloaded again next time.'
      return otherwise
    }
  }
}

function isQuotaError(error: unknown): boolean {
  return error instanceof Error && error.name === 'QuotaExceededError'
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
