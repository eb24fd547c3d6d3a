import type { DecodedSentence, Space } from '../space/space'

/** As many words in a row say again what the text has said; of a shorter sentence all. */
const repeated = 4

/** Their nouns begin with a capital, so that a capital says nothing of names. */
const capitalizesNouns = /^(deu|ltz)_/

export interface DraftChoice {
  /** The sentences so far. */
  text: readonly string[]
  /** FLORES-200 code of the drafts. */
  language: string
  /** What a draft whose own concept lies one unit (L2) from the predicted one has less in its score; 0: that is not looked at. */
  distanceWeight: number
  signal: AbortSignal
}

/**
 * The words of the draft to be kept for a predicted concept. Of those with the fewest faults it is the likeliest for which the encoder gives a concept
 * near the prediction: what is only likely is "I am sorry." wherever it stands.
 * @param concept raw [dim], what the drafts were drawn for
 * @param drafts likeliest first, one or more
 * @throws Aborted
 */
export async function chooseDraft(
  space: Pick<Space, 'dim' | 'encode'>,
  concept: Float32Array,
  drafts: readonly DecodedSentence[],
  { text, language, distanceWeight, signal }: DraftChoice,
): Promise<string> {
  const fit = leastFaulty(drafts, text, language)
  const texts = fit.map(({ text }) => text)
  if (!distanceWeight || !texts[1] || !texts[0]!.trim()) return texts[0]!
  const concepts = await space.encode(texts, { language, signal })
  const scores = fit.map(
    ({ score }, row) => score - distanceWeight * Math.hypot(...concept.map((x, i) => x - concepts[row * space.dim + i]!)),
  )
  return texts[scores.indexOf(Math.max(...scores))]!
}

/**
 * The drafts of a text's next sentence with the fewest faults, in their order. A small decoder says the same thing ever again, and draws persons
 * nobody has spoken of: a draft that says again what the text says is worse than one with a name that is not in it, and that worse than one without.
 * The worst has no words.
 */
export function leastFaulty(drafts: readonly DecodedSentence[], text: readonly string[], language: string): DecodedSentence[] {
  const told = text.map((sentence) => inARow(wordsOf(sentence.toLowerCase())))
  const known = new Set(text.flatMap(wordsOf))
  const faults = (draft: string) => {
    const words = wordsOf(draft.toLowerCase())
    const runs = words.slice(0, Math.max(1, words.length - repeated + 1)).map((_, at) => inARow(words.slice(at, at + repeated)))
    const repeats = runs.some((run) => told.some((sentence) => sentence.includes(run)))
    const names = capitalizesNouns.test(language) ? [] : namesIn(draft)
    return draft.trim() ? 2 * Number(repeats) + Number(names.some((name) => !known.has(name))) : 4
  }
  const counted = drafts.map(({ text }) => faults(text))
  const fewest = Math.min(...counted)
  return drafts.filter((_, index) => counted[index] === fewest)
}

function wordsOf(sentence: string): string[] {
  return sentence.match(/[\p{L}\p{N}]+/gu) ?? []
}

/** Words of two letters or more with a capital inside a sentence. */
function namesIn(text: string): string[] {
  return Array.from(text.matchAll(/(?<=([\p{L}\p{N},;'’]|,["”»]) +)\p{Lu}[\p{L}\p{N}]+/gu), ([name]) => name)
}

/** With a space before and after each, so that none is found in a longer one. */
function inARow(words: readonly string[]): string {
  return ` ${words.join(' ')} `
}
