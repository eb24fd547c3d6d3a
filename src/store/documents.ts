import { InvalidInput } from '../errors'
import { type Document, parseDocument } from '../formats/document'
import { indexedDbStorage, type Storage } from './storage'
import { storageFailure } from './storage-failure'

/** Documents by the name their owner gave them. Each is one value, so a write is whole or does not happen. */
export class Documents {
  readonly #storage: Storage

  /** @param storage default: IndexedDB */
  constructor(storage: Storage = indexedDbStorage('noema-documents')) {
    this.#storage = storage
  }

  /** @returns an empty document when there is none of this name. @throws InvalidInput when what is stored is none; StorageUnavailable. */
  async read(id: string): Promise<Document> {
    const value = await this.#storage.get(id).catch(refuse)
    return value === undefined ? { sentences: [] } : parseDocument(value)
  }

  /** The names of all documents, in no particular order. @throws StorageUnavailable. */
  async list(): Promise<string[]> {
    return this.#storage.keys().catch(refuse)
  }

  /** Whole or not at all. @throws QuotaExceeded when the storage is full; StorageUnavailable. */
  async write(id: string, { title, sentences }: Document): Promise<void> {
    await this.#storage.set(id, title === undefined ? { sentences } : { title, sentences }).catch(refuse)
  }

  /** @throws StorageUnavailable. */
  async delete(id: string): Promise<void> {
    await this.#storage.delete([id]).catch(refuse)
  }
}

async function refuse(cause: unknown): Promise<never> {
  throw await storageFailure(cause, 'documents', 'the document stays as it was')
}

/** @throws InvalidInput for what cannot name a document. */
export function requireDocumentId(id: unknown): void {
  if (typeof id !== 'string' || id === '' || id.length > 500) {
    throw new InvalidInput('A document is named by a text of 1 to 500 characters.')
  }
}
