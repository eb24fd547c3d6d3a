import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InvalidInput } from '../errors'
import { type Document, parseDocument, parseTitle, readDocument, writeDocument } from './document'

/** JSON has no −0. */
const vector = fc
  .float32Array({ minLength: 1, maxLength: 4, noNaN: true, noDefaultInfinity: true })
  .map((values) => values.map((x) => x + 0))
const concept = fc.record({ space: fc.constantFrom('0'.repeat(64), 'ab'.repeat(32)), vector })
const language = fc.constantFrom('eng_Latn', 'deu_Latn')
const sentence = fc.oneof(
  fc.record({ text: fc.string({ minLength: 1, unit: 'binary' }), language }),
  fc.record({ text: fc.string(), language, concept }),
)
const title = fc.string({ minLength: 1, maxLength: 200 }).filter((text) => /\S/.test(text))
const documents: fc.Arbitrary<Document> = fc.record(
  { title, sentences: fc.array(sentence, { maxLength: 5 }) },
  { requiredKeys: ['sentences'] },
)

/** Vectors as their bits. */
function bits({ title, sentences }: Document) {
  const plain = sentences.map(({ concept, ...rest }) => ({
    ...rest,
    concept: concept && [concept.space, ...new Uint32Array(concept.vector.buffer.slice(0))],
  }))
  return { title, sentences: plain }
}

describe('documents', () => {
  test('come back from a file and from storage in the same bits', () => {
    fc.assert(
      fc.property(documents, (document) => {
        expect(bits(readDocument(writeDocument(document)))).toEqual(bits(document))
        expect(bits(parseDocument(structuredClone(document)))).toEqual(bits(document))
      }),
    )
  })

  test('anything else is refused by InvalidInput and nothing else', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.anything().map((value) => JSON.stringify(value) ?? ''),
        ),
        (file) => {
          expect(() => readDocument(file)).toThrow(InvalidInput)
        },
      ),
    )
    fc.assert(
      fc.property(documents, fc.anything(), fc.nat(), (document, value, random) => {
        const damaged = JSON.parse(writeDocument(document))
        const [first] = damaged.sentences
        const targets = [damaged, first, first?.concept].filter((target) => target !== undefined)
        const target = targets[random % targets.length]
        const keys = Object.keys(target)
        target[keys[random % keys.length]!] = value
        try {
          writeDocument(readDocument(JSON.stringify(damaged)))
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidInput)
        }
      }),
    )
  })

  test.each([
    ['a newer version', { format: 'noema-document', formatVersion: 2, sentences: [] }, 'newer version'],
    ['no list', { format: 'noema-document', formatVersion: 1, sentences: {} }, 'sentences must be a list'],
    ['an empty sentence', { sentences: [{ text: '', language: 'eng_Latn' }] }, 'sentences[0].text'],
    ['a wrong language', { sentences: [{ text: 'A', language: 'english' }] }, 'sentences[0].language'],
    ['no space', { sentences: [{ text: 'A', language: 'eng_Latn', concept: { vector: [1] } }] }, 'concept.space'],
    [
      'an infinite number',
      { sentences: [{ text: 'A', language: 'eng_Latn', concept: { space: '0'.repeat(64), vector: [1e300] } }] },
      'finite',
    ],
  ])('%s is named', (_, fields, message) => {
    expect(() => readDocument(JSON.stringify({ format: 'noema-document', formatVersion: 1, ...fields }))).toThrow(message)
  })

  test('titles are texts of some length', () => {
    expect(parseTitle('  A walk ')).toBe('A walk')
    expect(parseTitle(' ')).toBeUndefined()
    expect(() => parseTitle('a'.repeat(201))).toThrow(InvalidInput)
    for (const title of ['', ' ', 'a'.repeat(201), 7, null, ['a']])
      expect(() => parseDocument({ title, sentences: [] })).toThrow(InvalidInput)
  })
})
