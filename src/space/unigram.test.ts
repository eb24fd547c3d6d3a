import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyTokenizer } from './any-tokenizer'
import { Unigram } from './unigram'

const folder = join(import.meta.dirname, '../../public/models/mini')
const mini = () => JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8'))
const unigram = Unigram.from(mini())!
const library = anyTokenizer(mini())
const sizes = mini().model.vocab.length + mini().added_tokens.length

/** What the library loses, everything unknown after a spelled-out `<unk>`, is kept here. */
const isComparable = (text: string) => !text.normalize('NFKC').includes('<unk>')

describe('Unigram, on the tokenizer of mini, gives what the tokenizer library gives', () => {
  test.each([
    'The little fox ran home. "Where is my mother?" she asked – but nobody answered…',
    'Où est le garçon ? Il n’est pas là, dit-elle ; «bonjour», œuvre, naïveté.',
    'Straße, Größe, „Guten Tag“, fünfundzwanzigtausend Fußgängerübergänge!',
    '¿Dónde está el niño? ¡Mañana será otro día!',
    '  spaces \t\n and\u00a0others\u3000here\u0085\ufeff ',
    'hahahahahahahahahaha aaaaaaaaaaaaaaaaaaaaa ababababab 1111111111 .............',
    '日本語 и русский 😀👩‍👩‍👧 ü̈ \u0000 \ufffd',
    '▁ ▁▁the ▁',
    '<0x41> </s> <pad>__eng_Latn__ the__fra_Latn____deu_Latn__',
    '__eng_Latn_ __eng_Latn__',
    '',
    ' ',
  ])('%j', (text) => {
    expect(unigram.encode(text)).toEqual(library.encode(text))
  })

  test('for the sentences of its card', () => {
    const sentences = readFileSync(join(folder, 'MODEL_CARD.md'), 'utf8').split('\n')
    expect(sentences.length).toBeGreaterThan(50)
    for (const sentence of sentences) expect(unigram.encode(sentence)).toEqual(library.encode(sentence))
  })

  test('for any text', () => {
    const words = fc.constantFrom(...'the fox Straße où ab a ▁ <0x0A> __spa_Latn__ . , ’ “ ü 語 😀'.split(' '), ' ', '\n', '\u0301')
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(words).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const whole = text.toWellFormed()
        if (isComparable(whole)) expect(unigram.encode(whole)).toEqual(library.encode(whole))
      }),
      { numRuns: 2000 },
    )
  })

  test('for any ids', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(sizes + 5), fc.integer({ min: 4, max: 259 })), { minLength: 1, maxLength: 30 }), (ids) => {
        expect(unigram.decode(ids).trim()).toBe(library.decode(ids).trim())
      }),
      { numRuns: 2000 },
    )
  })

  test('for every piece, its id and the longest', () => {
    const pieces: string[] = [
      ...mini().model.vocab.map(([piece]: [string]) => piece),
      ...mini().added_tokens.map(({ content }: { content: string }) => content),
    ]
    for (const piece of pieces) expect([piece, unigram.id(piece)]).toEqual([piece, library.id(piece)])
    expect(unigram.id('no such piece')).toBeUndefined()
    expect(unigram.longest).toBe(library.longest)
  })
})

test('loses nothing beside an unknown token that is spelled out', () => {
  expect(
    unigram
      .encode('<unk>語語')
      .map(({ text }) => text)
      .join(''),
  ).toBe('▁<unk>語語')
})

test('leaves every other tokenizer to the library', () => {
  const changes: ((file: ReturnType<typeof mini>) => void)[] = [
    (file) => (file.model.type = 'BPE'),
    (file) => (file.model.byte_fallback = false),
    (file) => (file.model.vocab = {}),
    (file) => (file.model.vocab[7] = ['a', '1']),
    (file) => (file.model.unk_id = null),
    (file) => (file.model = null),
    (file) => (file.added_tokens[0].normalized = true),
    (file) => (file.added_tokens[0].lstrip = true),
    (file) => (file.added_tokens = null),
    (file) => (file.normalizer = { type: 'Lowercase' }),
    (file) => (file.normalizer.normalizers[1].pattern = { Regex: '\\w+' }),
    (file) => (file.normalizer.normalizers[1].pattern = { Regex: '[a-z&&[aeiou]]' }),
    (file) => (file.normalizer.normalizers[1].pattern = { String: 'a' }),
    (file) => (file.normalizer.normalizers[4].strip_left = false),
    (file) => (file.normalizer = undefined),
    (file) => (file.pre_tokenizer.prepend_scheme = 'never'),
    (file) => (file.pre_tokenizer.replacement = '_'),
    (file) => (file.post_processor = { type: 'TemplateProcessing' }),
    (file) => file.decoder.decoders.reverse(),
    (file) => (file.decoder = null),
  ]
  for (const change of changes) {
    const file = mini()
    change(file)
    expect(Unigram.from(file), change.toString()).toBeNull()
  }
  for (const file of [null, undefined, 1, 'text', [], {}, { model: [] }]) expect(Unigram.from(file)).toBeNull()
})
