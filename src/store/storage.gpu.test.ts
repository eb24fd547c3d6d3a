import { expect, test } from 'vitest'
import { sha256 } from '../formats/integrity'
import { indexedDbStorage } from './storage'
import { readStoredFile, removeStoredFile, writeStoredFile } from './stored-file'

test('IndexedDB keeps a file of several chunks, finds it again and lets go of it', async () => {
  const file = new Uint8Array(33 * 2 ** 20)
  for (let i = 0; i < file.length; i += 4096) file[i] = i >> 12
  const hash = await sha256(file)
  const entry = { sha256: hash, bytes: file.length }
  await writeStoredFile(indexedDbStorage('noema-test'), hash, file)
  const storage = indexedDbStorage('noema-test')
  const found = await readStoredFile(storage, entry)
  expect(await sha256(found!)).toBe(hash)
  expect((await storage.keys()).length).toBe(3)
  await storage.delete([`chunk:${hash}:1`])
  expect(await readStoredFile(storage, entry)).toBeNull()
  await removeStoredFile(storage, hash)
  expect(await storage.keys()).toEqual([])
})
