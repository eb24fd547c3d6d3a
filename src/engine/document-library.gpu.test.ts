import { beforeEach, expect, test, vi } from 'vitest'
import { DocumentChanged, InvalidInput } from '../errors'
import { Documents } from '../store/documents'
import { indexedDbStorage } from '../store/storage'
import { DocumentLibrary } from './document-library'
import type { LoadedModel } from './loaded-model'
import type { DocumentChange } from './protocol'

const model = {
  space: { dim: 2, requireLanguage: () => undefined },
  sentences: (text: string) => text.split(/(?<=\.) /),
  spaceFingerprint: 'a'.repeat(64),
  encode: async (sentences: string[]) => new Float32Array(2 * sentences.length),
  forgetStates: async () => undefined,
  memory: async () => ({ has: async () => false, size: async () => 0 }),
  forgetSentences: async () => undefined,
} as unknown as LoadedModel

/** Two tabs with one storage. */
let one: DocumentLibrary
let two: DocumentLibrary

beforeEach(async () => {
  const storage = indexedDbStorage('noema-test-documents')
  await storage.delete(await storage.keys())
  one = new DocumentLibrary(new Documents(storage))
  two = new DocumentLibrary(new Documents(indexedDbStorage('noema-test-documents')))
})

const change = async (tab: DocumentLibrary, change: DocumentChange, id = 'shared') =>
  (await tab.change(model, id, change)).sentences.map(({ text }) => text)
const append = (tab: DocumentLibrary, text: string) => change(tab, { kind: 'append', text, language: 'eng_Latn' })
const seen = (text: string) => ({ text, language: 'eng_Latn', generated: false })
const vector = Float32Array.of(1, 2)

test('appending at the same time keeps every sentence', async () => {
  const numbers = Array.from({ length: 20 }, (_, n) => n)
  await Promise.all(numbers.map((n) => append(n % 2 ? one : two, `Sentence ${n}.`)))
  expect((await change(one, { kind: 'open' })).toSorted()).toEqual(numbers.map((n) => `Sentence ${n}.`).toSorted())
})

test('an edit of a sentence that is another by now is refused; one further on does not matter', async () => {
  await append(one, 'A. B.')
  const edit = (tab: DocumentLibrary, index: number, known: string | null, text: string) =>
    change(tab, { kind: 'edit', index, text, seen: known === null ? null : seen(known) })
  const outcomes = await Promise.allSettled([edit(one, 0, 'A.', 'One.'), edit(two, 0, 'A.', 'Two.')])
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: expect.any(DocumentChanged) })
  expect(await edit(two, 1, 'B.', '')).toEqual(['One.'])
  await expect(edit(one, 1, 'B.', 'C.')).rejects.toThrow(DocumentChanged)
  await append(two, 'D.')
  await expect(edit(one, 1, null, 'C.')).rejects.toThrow(DocumentChanged)
  await expect(edit(one, 2, null, 'C.')).rejects.toThrow(InvalidInput)
  expect(await edit(one, 0, 'One.', 'E.')).toEqual(['E.', 'D.'])
})

test('what another tab has added is neither cut off nor replaced unseen', async () => {
  await append(one, 'A. B.')
  const file = await one.export('shared')
  await append(two, 'C.')
  await expect(change(one, { kind: 'truncate', length: 1, seen: [seen('B.')] })).rejects.toThrow(DocumentChanged)
  await expect(change(one, { kind: 'import', file, replace: [seen('A.'), seen('B.')] })).rejects.toThrow(DocumentChanged)
  expect(await change(one, { kind: 'truncate', length: 1, seen: [seen('B.'), seen('C.')] })).toEqual(['A.'])
  expect(await change(two, { kind: 'import', file, replace: [seen('A.')] })).toEqual(['A.', 'B.'])
  await expect(change(two, { kind: 'truncate', length: 3, seen: [] })).rejects.toThrow(InvalidInput)
  await expect(change(two, { kind: 'truncate', length: 3, seen: [seen('D.')] })).rejects.toThrow(DocumentChanged)
})

test('the model writes on only from the document that it has read', async () => {
  await append(one, 'A.')
  const { document } = await one.prompt(model, 'shared')
  const written = await one.write(model, 'shared', document, { text: 'B.', language: 'eng_Latn', vector })
  await append(two, 'C.')
  await expect(one.write(model, 'shared', written, { text: 'D.', language: 'eng_Latn', vector })).rejects.toThrow(DocumentChanged)
  expect(await change(one, { kind: 'open' })).toEqual(['A.', 'B.', 'C.'])
})

test('of two forks into one name, and of two imports into one document, one is refused', async () => {
  await append(one, 'A.')
  const file = await one.export('shared')
  for (const [id, what] of [
    ['shared', { kind: 'fork', as: 'copy' }],
    ['new', { kind: 'import', file }],
  ] as [string, DocumentChange][]) {
    const outcomes = await Promise.allSettled([change(one, what, id), change(two, what, id)])
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  }
  expect(await change(two, { kind: 'open' }, 'copy')).toEqual(['A.'])
})

test('a change is told to the other tabs by name', async () => {
  const heard: unknown[] = []
  const channel = new BroadcastChannel('noema-documents')
  channel.onmessage = ({ data }) => heard.push(data)
  await append(one, 'A.')
  await change(one, { kind: 'fork', as: 'copy' })
  await change(two, { kind: 'forget' })
  await vi.waitFor(() => expect(heard).toEqual(['shared', 'copy', 'shared']))
  channel.close()
})
