import { type Abbreviations, abbreviations } from './abbreviations'
import { toBcp47 } from './languages'
import { normalizeWithOffsets } from './normalize'

/** A sentence, or a part of one that was too long. */
export interface Sentence {
  /** Normalised (`normalizeText`), at most `maxCharacters` long. */
  text: string
  /** Number of its paragraph, from 0. */
  paragraph: number
  /** Where it lies in the source: `source.slice(start, end)`. */
  start: number
  end: number
}

export interface SplitOptions {
  /** FLORES-200 code. */
  language: string
  /** Longest piece in UTF-16 units; longer sentences are cut (lcm.md §10). */
  maxCharacters: number
}

/**
 * Splits a text into sentences. Boundaries are those of `Intl.Segmenter` (UAX 29) for the language, repaired for abbreviations,
 * ordinals, lists, speech that goes on in lower case, and closing guillemets after a space. A sentence longer than the cap is cut at the most
 * telling separator there is. Pieces of one character and pieces without a letter or digit are dropped.
 * Splitting a sentence again gives that sentence. Time is linear in the text.
 */
export function splitSentences(source: string, { language, maxCharacters }: SplitOptions): Sentence[] {
  const tag = toBcp47(language)
  const splitter: Splitter = {
    segmenter: new Intl.Segmenter(tag, { granularity: 'sentence' }),
    abbreviations: abbreviations(tag),
    ordinals: tag.startsWith('de'),
    maxCharacters,
  }
  return paragraphs(source).flatMap((range, paragraph) => {
    const { text, sourceOffset } = normalizeWithOffsets(source.slice(range.start, range.end))
    return pieces(text, splitter)
      .filter((piece) => piece.end - piece.start > 1 && /[\p{L}\p{N}]/u.test(text.slice(piece.start, piece.end)))
      .map((piece) => ({
        text: text.slice(piece.start, piece.end),
        paragraph,
        start: range.start + sourceOffset(piece.start),
        end: range.start + sourceOffset(piece.end),
      }))
  })
}

interface Range {
  start: number
  end: number
}

interface Splitter {
  segmenter: Intl.Segmenter
  abbreviations: Abbreviations
  /** A number of one or two digits with a dot is an ordinal. */
  ordinals: boolean
  maxCharacters: number
}

/** Lines, or blocks of lines that were wrapped at a fixed width. */
function paragraphs(source: string): Range[] {
  const found: Range[] = []
  let block: Range[] = []
  for (const { 0: line, index } of source.matchAll(/[^\n\r\v\f\u0085\u2028\u2029]*(?:\r\n|[\n\r\v\f\u0085\u2028\u2029]|$)/g)) {
    if (line.trim() !== '') {
      block.push({ start: index, end: index + line.trimEnd().length })
      continue
    }
    if (isWrapped(source, block)) found.push({ start: block[0]!.start, end: block.at(-1)!.end })
    else for (const alone of block) found.push(alone)
    block = []
  }
  return found
}

/** Whether each line ends just where its width ran out: the next line's first word would not have fitted. */
function isWrapped(source: string, lines: readonly Range[]): boolean {
  const width = lines.reduce((longest, { start, end }) => Math.max(longest, end - start), 0)
  if (lines.length < 2 || width < 40 || width > 120) return false
  // Of two lines the longer would always seem full: here only a word in lower case tells that the sentence goes on.
  if (lines.length === 2 && !/^\s*\p{Ll}/u.test(source.slice(lines[1]!.start, lines[1]!.end))) return false
  return lines.slice(0, -1).every(({ start, end }, index) => {
    const next = lines[index + 1]!
    const word = /\S+/.exec(source.slice(next.start, Math.min(next.end, next.start + width)))![0]
    return end - start + 1 + word.length > width
  })
}

/** The pieces of one normalised paragraph, none longer than the cap, none of which would be split again. */
function pieces(text: string, splitter: Splitter): Range[] {
  const found: Range[] = []
  const sentences = sentenceRanges(text, splitter)
  for (const sentence of sentences) {
    for (const part of cutToFit(text, sentence, splitter.maxCharacters)) {
      const piece = text.slice(part.start, part.end)
      if (piece === text || plainSentence.test(piece)) {
        found.push(part)
        continue
      }
      for (const { start, end } of pieces(piece, splitter)) {
        found.push({ start: part.start + start, end: part.start + end })
      }
    }
  }
  return found
}

/** Latin text without a terminator before its end: there is nothing to split, so the segmenter need not look again. */
const plainSentence = /^[ "-\-/->@-\u024f–—]*[.!?]*["'»)\]]*$/

function sentenceRanges(text: string, splitter: Splitter): Range[] {
  const found: Range[] = []
  let start = 0
  let seen = 0
  let hasWord = false
  for (const boundary of boundaries(text, splitter.segmenter)) {
    if (boundary <= seen) continue
    hasWord ||= /[\p{L}\p{N}]/u.test(text.slice(seen, boundary))
    // Closing marks after a space belong to what they close: « Viens ! » Il part.
    seen = boundary + /^(?:[»›)\]}]+(?=[\s.,;:!?—-]|$)\s*)*/.exec(text.slice(boundary, boundary + 20))![0].length
    if (seen < text.length && !(hasWord && endsSentence(text, start, seen, splitter))) continue
    found.push(trimmed(text, { start, end: seen }))
    start = seen
    hasWord = false
  }
  return found.filter(({ start, end }) => start < end)
}

/** Characters given to the segmenter at once: its cost grows with the square of the text in V8. */
const windowLength = 2000

/** A new speaker's dash, which UAX 29 never breaks before. */
const newSpeaker = /[.!?]["'»›)\]}]* (?=— ?["'«‹¿¡]*\p{Lu})/gu

/** Places where a sentence may end: the segmenter's, and before the dash of a new speaker. */
function* boundaries(text: string, segmenter: Intl.Segmenter): Generator<number> {
  let start = 0
  while (start < text.length) {
    const end = Math.min(start + windowLength, text.length)
    const window = text.slice(start, end)
    const segments = Array.from(segmenter.segment(window))
    // The last segment may go on behind the window, so it comes again at the head of the next one.
    const whole = end === text.length ? segments : segments.slice(0, -1)
    for (const { index, segment } of whole) {
      for (const { 0: match, index: at } of segment.matchAll(newSpeaker)) yield start + index + at + match.length
      yield start + index + segment.length
    }
    if (whole.length > 0) start += whole.at(-1)!.index + whole.at(-1)!.segment.length
    else start += Math.max(window.lastIndexOf(' '), window.length / 2) + 1
  }
}

/** Whether the boundary that the segmenter sees at `end` ends the sentence from `start`. Looks no further than a few words. */
function endsSentence(text: string, start: number, end: number, { abbreviations, ordinals }: Splitter): boolean {
  const before = text.slice(Math.max(start, end - 40), end).trimEnd()
  const after = text.slice(end, end + 4)
  if (before.endsWith('.')) {
    const word = /[\p{L}\p{M}.ºª-]*(?=\.$)/u.exec(before)![0]
    const known = abbreviations.get(word.toLowerCase())
    if (known === 'always' || (known === 'before a number' && /^\d/.test(after))) return false
    if (/^\p{Lu}(?:\.\p{Lu})*$/u.test(word) && word !== 'I') return false
    if (/^\(?\d{1,3}\.$/.test(text.slice(start, start + before.length).trim())) return false
    if (ordinals && /(?:^|\s)\d{1,2}\.$/.test(before)) return false
  }
  if (!/^(?:— ?)?\p{Ll}/u.test(after)) return true
  // "Stop!" said he. — but not in text that is written without capitals.
  const first = /\p{L}/u.exec(text.slice(start, start + 40))?.[0] ?? ''
  return /\p{Ll}/u.test(first) && !/["'»›)\]—]/.test(before.at(-1)! + after[0])
}

/** Separators to cut a long sentence at, most telling first (lcm.md §10); a cut lies behind them. */
const separators = [
  /(?<![.!?。！？])[.!?。！？]+["'»›)\]]*(?=\s)|[。！？]+(?!\p{M})/gu,
  /[;；]+(?!\p{M})/gu,
  /[,，、]+(?=\s)|[，、]+(?!\p{M})/gu,
  /:+(?=\s)|：+(?!\p{M})/gu,
  />+(?!\p{M})/gu,
  / /g,
]

/** Cuts a range into parts of at most `cap` characters: one pass, each cut near the middle of what would fit. */
function cutToFit(text: string, range: Range, cap: number): Range[] {
  const parts: Range[] = []
  let { start } = range
  while (range.end - start > cap) {
    const window = text.slice(start, Math.min(range.end, start + 2 * cap))
    const cut = start + cutPoint(window, cap)
    parts.push(trimmed(text, { start, end: cut }))
    start = trimmed(text, { start: cut, end: range.end }).start
  }
  parts.push(trimmed(text, { start, end: range.end }))
  return parts
}

/** A cut that leaves at least a quarter of the cap on both sides, the nearest to the middle of its kind. */
function cutPoint(window: string, cap: number): number {
  const least = Math.floor(cap / 4)
  const most = Math.min(cap, window.length - least)
  const middle = Math.min(window.length / 2, cap)
  for (const separator of separators) {
    const cuts = Array.from(window.matchAll(separator), (match) => match.index + match[0].length).filter(
      (cut) => cut >= least && cut <= most,
    )
    if (cuts.length > 0) return cuts.reduce((best, cut) => (Math.abs(cut - middle) < Math.abs(best - middle) ? cut : best))
  }
  return characterBoundary(window, Math.floor(middle), least)
}

/** The last place up to `from` that does not lie inside a character with its marks; a surrogate pair is never cut. */
function characterBoundary(text: string, from: number, least: number): number {
  for (let cut = from; cut > least; cut--) {
    if (!/^[\p{M}\p{Cf}\p{Emoji_Modifier}\udc00-\udfff]/u.test(text.slice(cut, cut + 2)) && !/\u200d$/.test(text.slice(0, cut))) return cut
  }
  return /[\udc00-\udfff]/.test(text[from]!) ? from - 1 : from
}

function trimmed(text: string, { start, end }: Range): Range {
  while (start < end && text[start] === ' ') start++
  while (end > start && text[end - 1] === ' ') end--
  return { start, end }
}
