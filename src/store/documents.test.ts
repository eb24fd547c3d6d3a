import { expect, test } from 'vitest'
import { InvalidInput, QuotaExceeded, StorageUnavailable } from '../errors'
import type { Document } from '../formats/document'
import { Documents, requireDocumentId } from './documents'
import { MemoryStorage } from './testing'

const document: Document = {
  title: 'Two sentences',
  sentences: [
    { text: 'Read.', language: 'eng_Latn' },
    { text: 'Écrit.', language: 'fra_Latn', concept: { space: 'a'.repeat(64), vector: Float32Array.of(1, -2) } },
  ],
}

test('a document is kept under its name until it is deleted', async () => {
  const storage = new MemoryStorage()
  expect(await new Documents(storage).read('one')).toEqual({ sentences: [] })
  await new Documents(storage).write('one', document)
  expect(await new Documents(storage).read('one')).toEqual(document)
  expect(await new Documents(storage).read('two')).toEqual({ sentences: [] })
  expect(await new Documents(storage).list()).toEqual(['one'])
  await new Documents(storage).delete('one')
  expect(await new Documents(storage).list()).toEqual([])
  expect(await new Documents(storage).read('one')).toEqual({ sentences: [] })
})

test('a stored value that is no document is refused', async () => {
  const storage = new MemoryStorage()
  for (const value of [null, 7, [], {}, { sentences: [{}] }, { sentences: [{ text: 1, language: 'eng_Latn' }] }]) {
    storage.values.set('one', value)
    await expect(new Documents(storage).read('one')).rejects.toThrow(InvalidInput)
  }
})

test('a full storage and one that is out of order are told apart, and the document stays', async () => {
  const storage = new MemoryStorage()
  const documents = new Documents(storage)
  await documents.write('one', document)
  const { set } = storage
  storage.set = () => Promise.reject(new DOMException('full', 'QuotaExceededError'))
  await expect(documents.write('one', { sentences: [] })).rejects.toThrow(QuotaExceeded)
  storage.set = set
  expect(await documents.read('one')).toEqual(document)
  storage.broken = new DOMException('not allowed', 'SecurityError')
  for (const call of [documents.read('one'), documents.write('one', document), documents.delete('one'), documents.list()]) {
    await expect(call).rejects.toThrow(StorageUnavailable)
  }
})

test('names are texts of some length', () => {
  for (const id of ['', 'a'.repeat(501), 7, null, undefined, {}]) expect(() => requireDocumentId(id)).toThrow(InvalidInput)
  for (const id of ['a', ' ', '日記', 'a'.repeat(500)]) requireDocumentId(id)
})
