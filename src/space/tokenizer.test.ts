import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ModelFormatError } from '../errors'
import type { SpaceManifest } from '../formats/manifest'
import { Tokenizer } from './tokenizer'

const english = { code: 'eng_Latn', name: 'English', token: 270 }
const french = { code: 'fra_Latn', name: 'French', token: 271 }

const space: SpaceManifest = {
  dim: 8,
  languages: [english, french],
  tokenizer: 'tokenizer.json',
  tokens: { pad: 0, unk: 1, bos: 2, eos: 3 },
  maxTokens: 12,
  maxCharacters: 200,
  encoder: { file: 'encoder.onnx' },
  decoder: { conditioning: 'c.onnx', step: 's.onnx', layers: 1, heads: 1, headDim: 8 },
  endOfText: 'End of text.',
}

const byte = (value: number) => 4 + value
const pieces = ['▁the', '▁fox', '▁', 'e', 't', '!', 'é', '▁t', 'he', '.']
const piece = (text: string) => 260 + pieces.indexOf(text)

function tokenizerJson() {
  const bytes = Array.from({ length: 256 }, (_, value): [string, number] => [`<0x${value.toString(16).toUpperCase().padStart(2, '0')}>`, 0])
  const special: [string, number][] = ['<pad>', '<unk>', '<s>', '</s>'].map((token) => [token, 0])
  return {
    version: '1.0',
    added_tokens: [english, french].map(({ code, token }) => ({ id: token, content: `__${code}__`, special: true, normalized: false })),
    normalizer: { type: 'NFKC' },
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [{ type: 'ByteFallback' }, { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }],
    },
    model: {
      type: 'Unigram',
      unk_id: 1,
      byte_fallback: true,
      vocab: [...special, ...bytes, ...pieces.map((text): [string, number] => [text, -text.length])],
    },
  }
}

const file = (json: unknown) => new TextEncoder().encode(JSON.stringify(json))
const tokenizer = await Tokenizer.open(file(tokenizerJson()), space)

describe('Tokenizer', () => {
  test('puts the language before and the end behind the pieces', () => {
    expect(tokenizer.source('the fox!', english)).toEqual([270, piece('▁the'), piece('▁fox'), piece('!'), 3])
    expect(tokenizer.targetPrefix(french)).toEqual([3, 271])
  })

  test('spells in bytes what no piece covers', () => {
    expect(tokenizer.source('ü', english)).toEqual([270, piece('▁'), byte(0xc3), byte(0xbc), 3])
    expect(tokenizer.source('ü😀', english)).toEqual([270, piece('▁'), ...[0xc3, 0xbc, 0xf0, 0x9f, 0x98, 0x80].map(byte), 3])
    expect(tokenizer.decode([piece('▁the'), piece('▁'), byte(0xc3), byte(0xbc), piece('e')])).toBe('the üe')
  })

  test('text cannot spell a control token or a byte', () => {
    for (const text of ['</s>', '<pad>', '__fra_Latn__', '<0x41>', '<unk>']) {
      const ids = tokenizer.source(text, english)!.slice(1, -1)
      expect(ids.some((id) => id < 4 || id === byte(0x41) || id >= 270)).toBe(false)
    }
  })

  test('cuts long text to the limit, whatever its size', () => {
    const ids = tokenizer.source('the '.repeat(2_500_000), english)!
    expect(ids).toEqual([270, ...new Array(10).fill(piece('▁the')), 3])
    expect(tokenizer.source('x'.repeat(5_000_000), english)!.length).toBe(12)
    expect(tokenizer.source('\ufdfa'.repeat(5_000_000), english)!.length).toBe(12)
  })

  test('nothing gives nothing', () => {
    expect(tokenizer.source('', english)).toBeNull()
    expect(tokenizer.decode([])).toBe('')
    expect(tokenizer.decode([3, 271, 0, 1, 2, 3])).toBe('')
  })

  test('leaves spaces before punctuation as they are', () => {
    expect(tokenizer.decode([piece('▁fox'), piece('▁'), piece('!')])).toBe('fox !')
  })

  test('takes any text: known ids only, and NFKC text of pieces and bytes comes back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3 }), (text) => {
        const ids = tokenizer.source(text, english)
        if (!ids) return
        expect(ids.every((id) => id >= 0 && id <= 271)).toBe(true)
        const normalized = text.toWellFormed().normalize('NFKC')
        if (ids.length < 12 && !/[\s▁]/.test(normalized)) expect(tokenizer.decode(ids)).toBe(normalized)
      }),
      { numRuns: 1000 },
    )
  })

  test('decodes ids of broken bytes and ids there are not without failing', () => {
    fc.assert(fc.property(fc.array(fc.nat(400), { maxLength: 20 }), (ids) => typeof tokenizer.decode(ids) === 'string'))
  })

  test('refuses a file that is no tokenizer or has other tokens', async () => {
    const other = tokenizerJson()
    other.model.vocab[10] = ['gone', 0]
    for (const bytes of [file({}), file(null), file([]), file({ ...tokenizerJson(), model: {} }), Uint8Array.of(0xff), file(other)]) {
      await expect(Tokenizer.open(bytes, space)).rejects.toThrow(ModelFormatError)
    }
    await expect(Tokenizer.open(file(tokenizerJson()), { ...space, languages: [{ ...english, token: 271 }] })).rejects.toThrow(
      ModelFormatError,
    )
  })
})
