import type { Storage } from './storage'

/** What a download that is cut off loses at most. Chromium takes at most 127 MiB in one value. */
export const chunkBytes = 2 * 2 ** 20

/** What is stored of a file. */
export interface StoredPart {
  /** Bytes that are there, from the beginning of the file: whole chunks, or all of it. */
  length: number
  /** Of the answer that the bytes came with, when the server gave one. */
  etag: string | null
}

/**
 * A file in the storage, whole or the beginning of it. It is known by its hash, so that models share files and an upgrade never overwrites one.
 * Nothing here looks at the hash: who reads the file has to.
 */
export class StoredFile {
  readonly #storage: Storage
  readonly #sha256: string

  constructor(storage: Storage, sha256: string) {
    this.#storage = storage
    this.#sha256 = sha256
  }

  /** Fills the beginning of `file`, as long as the whole file, with the chunks that are there. A chunk of another form than it must have ends it. */
  async read(file: Uint8Array): Promise<StoredPart> {
    let length = 0
    for (let index = 0; length < file.length; index++) {
      const chunk = await this.#storage.get(this.#chunkKey(index))
      if (!(chunk instanceof Uint8Array) || chunk.length !== Math.min(chunkBytes, file.length - length)) break
      file.set(chunk, length)
      length += chunk.length
    }
    const etag = await this.#storage.get(this.#etagKey)
    return { length, etag: typeof etag === 'string' ? etag : null }
  }

  /** Removes what is there and notes which answer the chunks to come are from. */
  async begin(etag: string | null): Promise<void> {
    await this.remove()
    if (etag !== null) await this.#storage.set(this.#etagKey, etag)
  }

  /** @param chunk `chunkBytes` of them, but for the last */
  async write(index: number, chunk: Uint8Array): Promise<void> {
    // A view would be stored with all of the buffer behind it.
    await this.#storage.set(this.#chunkKey(index), chunk.slice())
  }

  async remove(): Promise<void> {
    const chunks = (await this.#storage.keys()).filter((key) => key.startsWith(this.#chunkKey('')))
    await this.#storage.delete([this.#etagKey, ...chunks])
  }

  get #etagKey(): string {
    return `etag:${this.#sha256}`
  }

  #chunkKey(index: number | ''): string {
    return `chunk:${this.#sha256}:${index}`
  }
}
