/** Text without width: soft hyphen, zero-width space, direction marks, word joiner, byte order mark, control characters. */
const invisible =
  '\\u00ad\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u206f\\ufeff\\u0000-\\u0008\\u000e-\\u001f\\u007f-\\u0084\\u0086-\\u009f'
const gaps = new RegExp(`[\\s\\u0085${invisible}]+|\\p{Cs}`, 'gu')
const onlyInvisible = new RegExp(`^[${invisible}]+$`)

/** More marks than this on one character are noise. */
const mostMarks = 16

/** Hyphens for a dash, what may change under NFC (a character with its marks, a run of Hangul letters), and marks beyond the limit. */
const characters = new RegExp(
  `-{2,}|[\\u1100-\\u11ff\\ua960-\\ua97f\\uac00-\\ud7ff]+\\p{M}{0,${mostMarks}}|[^\\p{M}\\p{ASCII}]\\p{M}{0,${mostMarks}}|[!-~]\\p{M}{1,${mostMarks}}|\\p{M}{1,1000}`,
  'gu',
)

/** A mark may become two under NFC. */
const tooManyMarks = new RegExp(`(?<=\\p{M}{${mostMarks}})\\p{M}+`, 'u')

const straight: Readonly<Record<string, string>> = {
  '\u2018': "'",
  '\u2019': "'",
  '\u201a': "'",
  '\u201b': "'",
  '\u02bc': "'",
  '\u201c': '"',
  '\u201d': '"',
  '\u201e': '"',
  '\u201f': '"',
  '\u2026': '...',
}

/**
 * The form of the text the models were trained on: NFC, curly quotes and apostrophes straightened (guillemets kept), the
 * ellipsis as three dots, two or more hyphens as an em dash, every run of spaces of any kind as one plain space, nothing invisible, no space
 * at either end, no marks without a letter or beyond sixteen on one. Lone surrogates become U+FFFD. Applying it twice changes nothing.
 */
export function normalizeText(text: string): string {
  return normalizeWithOffsets(text).text.trim()
}

export interface NormalizedText {
  /** As `normalizeText` gives it, but not trimmed. */
  text: string
  /** The place in the source of a place in `text`. */
  sourceOffset(offset: number): number
}

export function normalizeWithOffsets(source: string): NormalizedText {
  const spaced = rewrite(source, gaps, (gap) => (gap === ' ' ? gap : onlyInvisible.test(gap) ? '' : /^\p{Cs}$/u.test(gap) ? '\ufffd' : ' '))
  const straightened = rewrite(spaced.text, characters, (character) => {
    const known = straight[character]
    if (known !== undefined) return known
    if (character.startsWith('--')) return '—'
    return /^\p{M}/u.test(character) ? '' : character.normalize('NFC').replace(tooManyMarks, '')
  })
  // Between two spaces there may have been marks only.
  const single = rewrite(straightened.text, / {2,}/g, () => ' ')
  return { text: single.text, sourceOffset: (offset) => spaced.sourceOffset(straightened.sourceOffset(single.sourceOffset(offset))) }
}

/** Replaces every match and remembers where the lengths differ. */
function rewrite(source: string, pattern: RegExp, replace: (match: string) => string): NormalizedText {
  const edits: { from: number; to: number; sourceFrom: number; sourceTo: number }[] = []
  let shift = 0
  const text = source.replace(pattern, (match, sourceFrom: number) => {
    const replacement = replace(match)
    if (replacement.length !== match.length) {
      const from = sourceFrom + shift
      const last = edits.at(-1)
      if (last?.sourceTo === sourceFrom && replacement === '') last.sourceTo += match.length
      else edits.push({ from, to: from + replacement.length, sourceFrom, sourceTo: sourceFrom + match.length })
      shift += replacement.length - match.length
    }
    return replacement
  })
  const sourceOffset = (offset: number): number => {
    let low = 0
    let high = edits.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (edits[middle]!.from <= offset) low = middle + 1
      else high = middle
    }
    const edit = edits[low - 1]
    if (!edit) return offset
    return offset < edit.to ? Math.min(edit.sourceFrom + offset - edit.from, edit.sourceTo) : edit.sourceTo + offset - edit.to
  }
  return { text, sourceOffset }
}
