import { describe, expect, test } from 'vitest'
import { InvalidInput, ModelIntegrityError } from '../errors'
import { describeError, PageError } from './errors'
import { chooseLanguage, interfaceLanguages, languageName, shortLanguage } from './messages'
import { nearest } from './neighbours'
import { rove } from './roving'
import { titleOf } from './titles'

const { en, de } = interfaceLanguages

describe('words of the page', () => {
  test('the first language that the page speaks is chosen, English where there is none', () => {
    expect(chooseLanguage(['pt-BR', 'de-AT', 'fr'])).toBe('de')
    expect(chooseLanguage(['ja'])).toBe('en')
    expect(chooseLanguage([])).toBe('en')
  })

  test('languages are named in the language of the page', () => {
    expect(shortLanguage('deu_Latn')).toBe('de')
    expect(languageName('deu_Latn', 'fr')).toBe('allemand')
    expect(languageName('es', 'en')).toBe('Spanish')
  })

  test('no message is empty, in any language', () => {
    for (const messages of Object.values(interfaceLanguages)) {
      for (const text of texts(messages)) expect(text.trim()).not.toBe('')
      expect(messages.summaryUnused('base-lcm')).toContain('base-lcm')
      expect(messages.summaryOf('My walk')).toMatch(/^My walk \(.+\)$/)
      expect(messages.sentence(3, 'Hello.', true)).toContain('3')
      expect(messages.download('1 MB', '9 MB')).toMatch(/1 MB.*9 MB/)
      expect(messages.mapNearest(4, 2, '0.81')).toMatch(/4.*2.*0\.81/)
    }
  })

  test('errors say what to do, in the language of the page where it knows the error', () => {
    const error = new ModelIntegrityError('The file is not what the manifest says.')
    expect(describeError(error, en)).toBe('The file is not what the manifest says.')
    expect(describeError(error, de)).toMatch(/^Eine Datei des Modells .* \(The file is not what the manifest says\.\)$/)
    expect(describeError(new PageError('Too large.'), de)).toBe('Too large.')
    expect(describeError(new InvalidInput('No sentence.'), en)).toBe('No sentence.')
    expect(describeError('odd', en)).toBe('Something went wrong. (odd)')
  })

  test('a document without a title is called by the beginning of its first sentence', () => {
    expect(titleOf('My walk', 'It rained.', en)).toBe('My walk')
    expect(titleOf('', 'It rained.', en)).toBe('It rained.')
    expect(titleOf(undefined, undefined, de)).toBe('Ohne Titel')
    const long = titleOf('', 'word '.repeat(40), en)
    expect(long).toMatch(/word…$/)
    expect(long.length).toBeLessThan(50)
  })
})

test('the focus stays inside the list', () => {
  expect(rove('ArrowDown', 0, 3)).toBe(1)
  expect(rove('ArrowRight', 2, 3)).toBe(2)
  expect(rove('ArrowUp', 0, 3)).toBe(0)
  expect(rove('Home', 2, 3)).toBe(0)
  expect(rove('End', 0, 3)).toBe(2)
  expect(rove('a', 0, 3)).toBeUndefined()
})

test('every concept has the other that points the same way as its nearest', () => {
  const concepts = [Float32Array.of(1, 0), Float32Array.of(0, 1), Float32Array.of(2, 0.1)]
  expect(nearest(concepts).map(({ index }) => index)).toEqual([2, 2, 0])
  expect(nearest(concepts)[0]?.likeness).toBeCloseTo(0.9988, 4)
  expect(nearest([Float32Array.of(0, 0), Float32Array.of(1, 1)])[0]).toEqual({ index: 1, likeness: 0 })
  expect(nearest([Float32Array.of(1, 1)])).toEqual([])
})

/** Every plain text in a table of messages. */
function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(texts) : []
}
