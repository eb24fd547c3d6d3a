import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { normalizeText, normalizeWithOffsets } from './normalize'

/** Text full of what is normalised. */
const oddText = fc
  .array(
    fc.oneof(
      fc.constantFrom(' ', '\n', '\u00a0', '\u2003', '\u0085', '\u200b', '\ufeff', '\u00ad', '\u202e', '\u0000', '-', '--', '—', '…', '.'),
      fc.constantFrom(
        '“',
        '”',
        '„',
        '’',
        '‘',
        '«',
        '»',
        'e',
        'E\u0301',
        '\u0301',
        '\u0327',
        'é',
        '\u212b',
        '\u0958',
        '\u1112\u1161\u11ab',
        '한',
        '\u11a8',
      ),
      fc.constantFrom('\ud83d', '\ude00', '😀', '👨‍👩‍👧', '\u0301'.repeat(20), '\u0344'),
      fc.string({ unit: 'binary', maxLength: 3 }),
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.join(''))

describe('normalizeText', () => {
  test.each([
    ['“Stop!” she said; „nein“, ‘so’ it’s', `"Stop!" she said; "nein", 'so' it's`],
    ['« Oui » ‹si›', '« Oui » ‹si›'],
    ['wait -- what --- now - so', 'wait — what — now - so'],
    ['well… then', 'well... then'],
    ['  a\u00a0\u2009b\r\n\tc \u3000', 'a b c'],
    ['co\u00adop\u200bera\ufefftion\u0000', 'cooperation'],
    ['e\u0301te\u0301 \u212b \u1112\u1161\u11ab', 'été Å 한'],
    ['a\u200b\u0301', 'á'],
    ['a\ud800b\udc00', 'a\ufffdb\ufffd'],
    ['👨‍👩‍👧 😀', '👨‍👩‍👧 😀'],
    [' \u200b\n', ''],
  ])('%j is %j', (text, expected) => {
    expect(normalizeText(text)).toBe(expected)
  })

  test('keeps sixteen marks on a letter and none without one', () => {
    expect(normalizeText(`\u0301a${'\u0323'.repeat(100_000)}b`)).toBe(`ạ${'\u0323'.repeat(15)}b`)
  })

  test('changes nothing the second time, is NFC and well formed, and has single spaces only', () => {
    fc.assert(
      fc.property(oddText, (text) => {
        const normalized = normalizeText(text)
        expect(normalizeText(normalized)).toBe(normalized)
        expect(normalized.normalize('NFC')).toBe(normalized)
        expect(normalized.isWellFormed()).toBe(true)
        expect(normalized).not.toMatch(/[^\S ]| {2}|^ | $/)
      }),
      { numRuns: 3000 },
    )
  })

  test('offsets grow, stay inside the source, and lead back to the text they come from', () => {
    fc.assert(
      fc.property(oddText, (source) => {
        const { text, sourceOffset } = normalizeWithOffsets(source)
        const offsets = Array.from({ length: text.length + 1 }, (_, i) => sourceOffset(i))
        expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
        expect(offsets.every((offset) => offset >= 0 && offset <= source.length)).toBe(true)
        expect(offsets.at(-1)).toBe(source.length)
      }),
      { numRuns: 2000 },
    )
    const source = '\u200b“Où”…  ici -- là'
    const { text, sourceOffset } = normalizeWithOffsets(source)
    const at = text.indexOf('ici')
    expect(source.slice(sourceOffset(at), sourceOffset(at + 3))).toBe('ici')
  })
})
