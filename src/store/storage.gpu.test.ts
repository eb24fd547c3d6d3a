import { expect, test } from 'vitest'
import { sha256 } from '../formats/integrity'
import { ConceptStates } from './concept-states'
import { prefixChain } from './prefix-chain'
import { indexedDbStorage } from './storage'
import { chunkBytes, StoredFile } from './stored-file'

test('IndexedDB keeps a file of several chunks, finds it again and lets go of it', async () => {
  const file = new Uint8Array(2.5 * chunkBytes)
  for (let i = 0; i < file.length; i += 4096) file[i] = i >> 12
  const hash = await sha256(file)
  const written = new StoredFile(indexedDbStorage('noema-test'), hash)
  await written.begin('"tag"')
  for (let index = 0; index < 3; index++) await written.write(index, file.subarray(index * chunkBytes, (index + 1) * chunkBytes))
  const storage = indexedDbStorage('noema-test')
  const read = async () => {
    const found = new Uint8Array(file.length)
    const part = await new StoredFile(storage, hash).read(found)
    return { ...part, isSame: (await sha256(found)) === hash }
  }
  expect(await read()).toEqual({ length: file.length, etag: '"tag"', isSame: true })
  await storage.delete([`chunk:${hash}:1`])
  expect(await read()).toEqual({ length: chunkBytes, etag: '"tag"', isSame: false })
  await written.remove()
  expect(await storage.keys()).toEqual([])
})

test('IndexedDB keeps concept states from visit to visit and lets go of what was tampered with', async () => {
  const storage = indexedDbStorage('noema-test-states')
  await storage.delete(await storage.keys())
  const rowWidth = 4352
  const concepts = Float32Array.from({ length: 100 }, (_, n) => n)
  const document = { links: await prefixChain('model', concepts, 1), rowWidth }
  const rows = Float32Array.from({ length: 100 * rowWidth }, (_, i) => Math.fround(i / 7))
  expect(await new ConceptStates({ storage }).write(document, 0, rows)).toBe(true)
  expect((await storage.keys()).length).toBe(8)

  const again = () => new ConceptStates({ storage: indexedDbStorage('noema-test-states') }).read(document)
  expect(await again()).toEqual(rows)
  const key = `rows:${document.links[32]}:${document.links[63]}`
  const chunk = (await storage.get(key)) as Uint8Array
  chunk[1000]! ^= 4
  await storage.set(key, chunk)
  expect(await again()).toEqual(rows.subarray(0, 32 * rowWidth))
  expect((await storage.keys()).length).toBe(6)
  await storage.delete(await storage.keys())
})
