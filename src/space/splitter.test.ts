import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { normalizeText } from './normalize'
import { splitSentences } from './splitter'

const cap = 200
const split = (text: string, language = 'eng_Latn', maxCharacters = cap) => splitSentences(text, { language, maxCharacters })
const texts = (text: string, language?: string, maxCharacters?: number) =>
  split(text, language, maxCharacters).map((sentence) => sentence.text)

describe('sentence boundaries', () => {
  test.each<[string, string, string[]]>([
    ['eng_Latn', 'It rained. We went in! Why? No idea.', ['It rained.', 'We went in!', 'Why?', 'No idea.']],
    [
      'eng_Latn',
      'Mr. Smith met Dr. J. R. Jones at 3.14 p.m. on the 5th. He left.',
      ['Mr. Smith met Dr. J. R. Jones at 3.14 p.m. on the 5th.', 'He left.'],
    ],
    ['eng_Latn', 'No. 5 is alive. No. It is not.', ['No. 5 is alive.', 'No.', 'It is not.']],
    ['eng_Latn', 'It was I. Then we ate.', ['It was I.', 'Then we ate.']],
    ['eng_Latn', 'Bring apples, pears, etc. Then go.', ['Bring apples, pears, etc.', 'Then go.']],
    ['eng_Latn', '“Stop!” said he. “No,” she said. “Why?”', ['"Stop!" said he.', '"No," she said.', '"Why?"']],
    ['eng_Latn', '"Who is there?" (He waited.) "Me."', ['"Who is there?"', '(He waited.)', '"Me."']],
    ['eng_Latn', 'He waited… and then… She came… Yes.', ['He waited... and then...', 'She came...', 'Yes.']],
    ['eng_Latn', 'hello! how are you? fine', ['hello!', 'how are you?', 'fine']],
    ['eng_Latn', '1. Wash it. 2. Dry it.', ['1. Wash it.', '2. Dry it.']],
    ['eng_Latn', '*** He left. ***', ['*** He left.']],
    ['fra_Latn', '« Viens ! » dit-il. « Où ? » Il partit.', ['« Viens ! » dit-il.', '« Où ? »', 'Il partit.']],
    [
      'fra_Latn',
      '— Quoi ? dit-elle. — Rien ! — Bon. M. Dupont et Mme. Durand arrivent.',
      ['— Quoi ? dit-elle.', '— Rien !', '— Bon.', 'M. Dupont et Mme. Durand arrivent.'],
    ],
    [
      'deu_Latn',
      'Am 3. Oktober kam Hr. Müller, z. B. nach Berlin. Es war 1990. Danach nichts.',
      ['Am 3. Oktober kam Hr. Müller, z. B. nach Berlin.', 'Es war 1990.', 'Danach nichts.'],
    ],
    [
      'deu_Latn',
      '„Komm!“, rief er. »Hallo!« sagte sie. „Nein!“ Sie ging.',
      ['"Komm!", rief er.', '»Hallo!« sagte sie.', '"Nein!"', 'Sie ging.'],
    ],
    [
      'spa_Latn',
      '¿Cómo estás? ¡Muy bien! El Sr. López vive aquí. ¿Y tú?',
      ['¿Cómo estás?', '¡Muy bien!', 'El Sr. López vive aquí.', '¿Y tú?'],
    ],
    ['spa_Latn', '—¡Hola! —dijo Juan. —¿Quién es? —preguntó Ana.', ['—¡Hola! —dijo Juan.', '—¿Quién es? —preguntó Ana.']],
    ['arb_Arab', 'مرحبا بالعالم. كيف حالك؟ نعم.', ['مرحبا بالعالم.', 'كيف حالك؟', 'نعم.']],
    ['zho_Hans', '你好。我很好！你呢？', ['你好。', '我很好！', '你呢？']],
  ])('%s: %s', (language, text, expected) => {
    expect(texts(text, language)).toEqual(expected)
  })

  test('lines are paragraphs, but lines wrapped at a width are one', () => {
    const wrapped =
      'A paragraph that is wrapped at a fixed width of characters, so that\nits lines should be joined again into one. And a second sentence is\nhere too.'
    const sentences = split(`First line\nSecond line\r\n\r\n\n${wrapped}`)
    expect(sentences.map(({ paragraph, text }) => [paragraph, text])).toEqual([
      [0, 'First line'],
      [1, 'Second line'],
      [2, 'A paragraph that is wrapped at a fixed width of characters, so that its lines should be joined again into one.'],
      [2, 'And a second sentence is here too.'],
    ])
  })

  test('two lines are one paragraph only when the second goes on in lower case', () => {
    const line = 'A line that is long enough to have been wrapped at its end'
    expect(texts(`${line}\nAnother line`)).toEqual([line, 'Another line'])
    expect(texts(`${line}\nand goes on`)).toEqual([`${line} and goes on`])
  })

  test('offsets lead back to the source', () => {
    const source = '  “Où…\u00a0là” -- dit-il.\n\n\u200bE\u0301tienne  vint.  '
    expect(split(source, 'fra_Latn').map(({ start, end }) => source.slice(start, end))).toEqual([
      '“Où…\u00a0là” -- dit-il.',
      'E\u0301tienne  vint.',
    ])
  })
})

describe('long sentences', () => {
  test('are cut at the most telling separator near the middle', () => {
    const clause = 'one two three four five six seven eight nine ten'
    expect(texts(`${clause}, ${clause}; ${clause}, ${clause} ${clause}.`)).toEqual([
      `${clause}, ${clause};`,
      `${clause}, ${clause} ${clause}.`,
    ])
    expect(texts(`${clause} ${clause} ${clause} ${clause} ${clause}`).every((text) => text.length >= 50)).toBe(true)
  })

  test('without separators are cut between characters', () => {
    for (const unit of ['x', '😀x', 'e\u0323\u0302', '👩🏽‍🚀a', '字']) {
      const long = normalizeText(unit.repeat(500))
      const parts = texts(long)
      expect(parts.join('')).toBe(long)
      expect(parts.every((part) => part.length <= cap && part.isWellFormed())).toBe(true)
    }
  })
})

describe('properties', () => {
  const fragment = fc.oneof(
    fc.constantFrom(
      'Hello',
      'the',
      'fox',
      'Mr',
      'Dr',
      'z',
      'B',
      'I',
      'été',
      'Straße',
      'dijo',
      'Él',
      '3',
      '14',
      'U',
      'ok',
      '你好',
      'مرحبا',
      'हिन्दी',
    ),
    fc.constantFrom('. ', '.', '! ', '?', '? ', '... ', '…', ', ', '; ', ': ', ' ', '  ', '\n', '\n\n', ' — ', ' -- ', '-'),
    fc.constantFrom('"', "'", '“', '”', '« ', ' »', '»', '(', ') ', '[', ']', '¿', '¡', '。', '？', '\u200b', '\u0301', '😀', '\ud800'),
    fc.string({ unit: 'binary', maxLength: 4 }),
  )
  const text = fc.array(fragment, { maxLength: 80 }).map((parts) => parts.join(''))
  const language = fc.constantFrom('eng_Latn', 'fra_Latn', 'deu_Latn', 'spa_Latn')
  const limit = fc.constantFrom(16, 40, 200)

  test('every piece is normalised, within the cap, says something, and lies where it says', () => {
    fc.assert(
      fc.property(text, language, limit, (source, code, maxCharacters) => {
        let before = 0
        for (const { text: piece, start, end } of split(source, code, maxCharacters)) {
          expect(piece.length).toBeLessThanOrEqual(maxCharacters)
          expect(piece.length).toBeGreaterThan(1)
          expect(piece).toMatch(/[\p{L}\p{N}]/u)
          expect(normalizeText(piece)).toBe(piece)
          expect(start).toBeGreaterThanOrEqual(before)
          expect(end).toBeGreaterThan(start)
          before = end
        }
        expect(before).toBeLessThanOrEqual(source.length)
      }),
      { numRuns: 1500 },
    )
  })

  test('splitting the sentences again, alone or one a line, gives the sentences', () => {
    fc.assert(
      fc.property(text, language, limit, (source, code, maxCharacters) => {
        const once = texts(source, code, maxCharacters)
        for (const sentence of once) expect(texts(sentence, code, maxCharacters)).toEqual([sentence])
        expect(texts(once.join('\n\n'), code, maxCharacters)).toEqual(once)
      }),
      { numRuns: 1500 },
    )
  })

  test('nothing is lost but spaces and pieces without words', () => {
    const word = fc.constantFrom('Hello', 'the', 'fox', 'Mr', 'Dr', 'été', 'Straße', 'dijo', 'Él', '314', 'ok', 'مرحبا')
    const mark = fc.constantFrom('. ', '! ', '? ', '... ', ', ', '; ', ': ', ' ', ' — ', '\n', '\n\n', '." ', ' "', ') ', ' (')
    const words = (value: string) => value.match(/[\p{L}\p{N}]+/gu) ?? []
    fc.assert(
      fc.property(fc.array(fc.tuple(word, mark), { maxLength: 120 }), language, limit, (parts, code, maxCharacters) => {
        const source = parts.flat().join('')
        expect(texts(source, code, maxCharacters).flatMap(words)).toEqual(words(source))
      }),
      { numRuns: 500 },
    )
  })
})

describe('odd and large texts', () => {
  test.each(['', ' ', '\n\n', '...', '!?', '—', '«»', '\u200b', '\ud800', '😀😀', 'a', '\u0301'])('%j has no sentence', (text) => {
    expect(split(text)).toEqual([])
  })

  test('ten megabytes of prose', () => {
    const prose = 'The little fox went to the river, and there it met "the old man". '
    expect(split(prose.repeat(10e6 / prose.length)).length).toBe(Math.floor(10e6 / prose.length))
  }, 60_000)

  test('time is linear in text that is hostile', () => {
    const units = ['x', ' ', '\n', '.', '"', '1. ', 'Mr. ', '! » ', '😀', '\u0301', 'a\u200b', '한', 'a.\n', '-', '([{']
    for (const unit of units) {
      const start = performance.now()
      split(`a${unit.repeat(300_000 / unit.length)}`)
      expect(performance.now() - start, JSON.stringify(unit)).toBeLessThan(5000)
    }
  }, 60_000)
})
