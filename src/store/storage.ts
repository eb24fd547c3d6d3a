import { createStore, del, delMany, get, getMany, keys, set, setMany, type UseStore } from 'idb-keyval'

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
export function indexedDbStorage(database = 'noema-models'): Storage {
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

/** A store that lets go of its database when another wants to delete it, and makes it anew at the next call. */
function openStore(database: string): UseStore {
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
