import { expect, test, vi } from 'vitest'
import type { Noema, RememberedConcept, Session } from '../api'
import { Aborted, InvalidInput } from '../errors'
import { Remembered } from './remembered'

const concept = (kind: 'document' | 'notes', id: string, index: number): RememberedConcept => ({
  text: `${id} ${index}`,
  language: 'eng_Latn',
  embedding: Float32Array.of(1, 0),
  score: 0.5,
  source: { kind, id, index },
})
const sentence = (text: string) => ({ text, language: 'eng_Latn', generated: false })

/** A model whose memory finds these, as many as are asked for. */
function model(kept: RememberedConcept[]) {
  const search = vi.fn(async (_query: string | Float32Array, k?: number) => kept.slice(0, k))
  return { search, noema: { info: { dim: 2 }, memory: { size: async () => kept.length, search } } as unknown as Noema }
}

test('the neighbours on the map are not the document’s own sentences, however many of those are remembered', async () => {
  const own = Array.from({ length: 20 }, (_, index) => concept('document', 'diary', index))
  const { noema, search } = model([...own, concept('document', 'other', 3), concept('notes', 'diary', 0)])
  const session = { id: 'diary', remembered: true, sentences: own.map(({ text }) => sentence(text)) } as unknown as Session
  const remembered = new Remembered(() => undefined)
  await remembered.update(noema, session, [Float32Array.of(1, 2), Float32Array.of(3, 4)])
  expect(search.mock.calls[0]?.[0]).toEqual(Float32Array.of(1, 2, 3, 4))
  expect(remembered.size).toBe(22)
  expect(remembered.neighbours.map(({ text }) => text)).toEqual(['other 3', 'diary 0'])
  await remembered.update(noema, session, [])
  expect(remembered.neighbours).toEqual([])
})

test('a search tells what it found or what went wrong; one that is called off tells nothing', async () => {
  const changed = vi.fn()
  const remembered = new Remembered(changed)
  const { noema, search } = model([concept('notes', 'today', 0)])
  await remembered.search(noema, 'Hello.', 'eng_Latn')
  expect(remembered.found).toHaveLength(1)
  search.mockRejectedValueOnce(new Aborted('The call was aborted.'))
  await remembered.search(noema, 'Hello.', 'eng_Latn')
  expect(remembered.error).toBe(null)
  expect(changed).toHaveBeenCalledTimes(1)
  search.mockRejectedValueOnce(new InvalidInput('No word.'))
  await remembered.search(noema, '…', 'eng_Latn')
  expect(remembered.error).toBeInstanceOf(InvalidInput)
  expect(changed).toHaveBeenCalledTimes(2)
})

test('a written sentence keeps what was recalled for it, until it is written again without', () => {
  const remembered = new Remembered(() => undefined)
  const session = { id: 'diary', sentences: ['One.', 'Two.', 'Three.'].map(sentence) } as unknown as Session
  const recalled = [concept('notes', 'today', 0)]
  remembered.note(session, 1, recalled)
  expect(remembered.originsOf('diary', 'One.')).toEqual([])
  expect(remembered.originsOf('diary', 'Three.')).toBe(recalled)
  expect(remembered.originsOf('other', 'Three.')).toEqual([])
  remembered.note(session, 2, [])
  expect(remembered.originsOf('diary', 'Two.')).toBe(recalled)
  expect(remembered.originsOf('diary', 'Three.')).toEqual([])
})
