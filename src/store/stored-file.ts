import type { FileEntry } from '../formats/manifest'
import type { Storage } from './storage'

/** Chromium takes at most 127 MiB in one value. */
const chunkBytes = 32 * 2 ** 20

/** A stored file is known by its hash, so that models share files and an upgrade never overwrites one. Its size stands here. */
const entryKey = (sha256: string): string => `file:${sha256}`
const chunkKey = (sha256: string, index: number): string => `chunk:${sha256}:${index}`

/** The stored file, or null when it is not there whole; what is damaged is removed. Lengths are checked, the hash is not computed again. */
export async function readStoredFile(storage: Storage, { sha256, bytes }: FileEntry): Promise<Uint8Array<ArrayBuffer> | null> {
  const entry = await storage.get(entryKey(sha256))
  if (entry === undefined) return null
  const file = entry === bytes ? await readChunks(storage, sha256, bytes) : null
  if (!file) await removeStoredFile(storage, sha256)
  return file
}

async function readChunks(storage: Storage, sha256: string, bytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
  const file = new Uint8Array(bytes)
  for (let start = 0, index = 0; start < bytes; start += chunkBytes, index++) {
    const chunk = await storage.get(chunkKey(sha256, index))
    if (!(chunk instanceof Uint8Array) || chunk.length !== Math.min(chunkBytes, bytes - start)) return null
    file.set(chunk, start)
  }
  return file
}

/** Stores a verified file. The entry is written last: a file that is cut off half-way does not exist. On failure nothing is left. */
export async function writeStoredFile(storage: Storage, sha256: string, file: Uint8Array): Promise<void> {
  try {
    for (let start = 0, index = 0; start < file.length; start += chunkBytes, index++) {
      await storage.set(chunkKey(sha256, index), file.slice(start, start + chunkBytes))
    }
    await storage.set(entryKey(sha256), file.length)
  } catch (error) {
    await removeStoredFile(storage, sha256).catch(() => {})
    throw error
  }
}

/** Removes a file and all its chunks, those that a write left behind included. */
export async function removeStoredFile(storage: Storage, sha256: string): Promise<void> {
  const chunks = (await storage.keys()).filter((key) => key.startsWith(`chunk:${sha256}:`))
  await storage.delete([entryKey(sha256), ...chunks])
}
