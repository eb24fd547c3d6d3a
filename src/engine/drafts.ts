import type { DecodedSentence } from '../space/space'

/** As many words in a row say again what the text has said; of a shorter sentence all. */
const repeated = 3

/** A sentence begins like one of the last `sentences` if it has the same first `words`. */
const beginning = { words: 2, sentences: 4 }

/** What speech begins with, in the languages that begin it with a mark. */
const speech = /^["“„”«»—]/

/** Their nouns begin with a capital, so that a capital says nothing of names. */
const capitalizesNouns = /^(deu|ltz)_/

/**
 * The words of the draft to be kept after a text: the best of those with the fewest faults. A small decoder says the same thing ever again, in the same
 * form, and draws persons nobody has spoken of: to say again what the text says is two faults; a name that is not in it, a beginning like that of one
 * of its last four sentences and speech after speech are one each. The worst has no words.
 * @param drafts best first, one or more
 * @param text the sentences so far
 * @param language FLORES-200 code of the drafts
 */
export function chooseDraft(drafts: readonly DecodedSentence[], text: readonly string[], language: string): string {
  const told = text.map((sentence) => inARow(wordsOf(sentence.toLowerCase())))
  const known = new Set(text.flatMap(wordsOf))
  const opened = new Set(text.slice(-beginning.sentences).map(beginningOf))
  const spoken = speech.test(text.at(-1) ?? '')
  const faults = (draft: string) => {
    const words = wordsOf(draft.toLowerCase())
    const runs = words.slice(0, Math.max(1, words.length - repeated + 1)).map((_, at) => inARow(words.slice(at, at + repeated)))
    const repeats = runs.some((run) => told.some((sentence) => sentence.includes(run)))
    const names = capitalizesNouns.test(language) ? [] : namesIn(draft)
    const others = [names.some((name) => !known.has(name)), opened.has(beginningOf(draft)), spoken && speech.test(draft)]
    return words.length > 0 ? 2 * Number(repeats) + others.filter(Boolean).length : Number.POSITIVE_INFINITY
  }
  const counted = drafts.map(({ text }) => faults(text))
  return drafts[counted.indexOf(Math.min(...counted))]!.text
}

function beginningOf(sentence: string): string {
  return inARow(wordsOf(sentence.toLowerCase()).slice(0, beginning.words))
}

function wordsOf(sentence: string): string[] {
  return sentence.match(/[\p{L}\p{N}][\p{L}\p{M}\p{N}]*/gu) ?? []
}

/** Words of two letters or more with a capital inside a sentence. */
function namesIn(text: string): string[] {
  return Array.from(text.matchAll(/(?<=([\p{L}\p{M}\p{N},;'’]|,["”»]) +)\p{Lu}[\p{L}\p{M}\p{N}]+/gu), ([name]) => name)
}

/** With a space before and after each, so that none is found in a longer one. */
function inARow(words: readonly string[]): string {
  return ` ${words.join(' ')} `
}
