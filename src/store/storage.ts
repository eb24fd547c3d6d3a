import { clear, createStore, del, delMany, get, getMany, keys, set, setMany, type UseStore } from 'idb-keyval'
import { storageFailure } from './storage-failure'

const databases = ['noema-models', 'noema-documents', 'noema-memory', 'noema-sentences', 'noema-states'] as const

/** All that this library keeps in IndexedDB; tests have their own. */
export type DatabaseName = (typeof databases)[number] | `noema-test${string}`

/** What the store needs of a database. Every method may reject, for instance when the disk is full. */
export interface Storage {
  get(key: string): Promise<unknown>
  /** The values of the keys, in their order. */
  getMany(keys: string[]): Promise<unknown[]>
  set(key: string, value: unknown): Promise<void>
  /** All of the entries or none. */
  setMany(entries: [key: string, value: unknown][]): Promise<void>
  delete(keys: string[]): Promise<void>
  keys(): Promise<string[]>
}

/** The browser's IndexedDB, in a database of its own. */
export function indexedDbStorage(database: DatabaseName = 'noema-models'): Storage {
  const store = openStore(database)
  return {
    get: (key) => get(key, store),
    getMany: (keys) => getMany(keys, store),
    set: (key, value) => set(key, value, store),
    setMany: (entries) => setMany(entries, store),
    delete: (keys) => (keys.length === 1 ? del(keys[0]!, store) : delMany(keys, store)),
    keys: () => keys<string>(store),
  }
}

/**
 * Empties every database of this library. They are not deleted: another tab that has one open would hold up the deletion, and every use after it.
 *
 * @throws StorageUnavailable; some may be empty by then.
 */
export async function emptyDatabases(): Promise<void> {
  try {
    for (const database of databases) await clear(openStore(database))
  } catch (cause) {
    throw await storageFailure(cause, 'anything', 'nothing can be erased')
  }
}

/** A store that lets go of its database when another wants to delete it, and makes it anew at the next call. */
function openStore(database: DatabaseName): UseStore {
  const store = createStore(database, 'files')
  return (mode, work) =>
    store(mode, (files) => {
      const { db } = files.transaction
      db.onversionchange ??= () => {
        db.close()
        db.onclose?.(new Event('close'))
      }
      return work(files)
    })
}
