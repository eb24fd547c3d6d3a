import { ContextFull, InvalidInput } from '../errors'
import type { Manifest } from '../formats/manifest'
import { writeOn } from './continuation'
import { despiteLoss, joined } from './device-loss'
import type { DocumentLibrary } from './document-library'
import type { LoadedModel } from './loaded-model'
import type { Concept, SummarizeRequest, SummaryResult } from './protocol'
import { draws } from './wording'

/**
 * Summarises a text or a document: the concept model has learnt that a summary follows a certain sentence, so it continues the text after that one.
 * What is known of the text is used as for any continuation; of the summary nothing is stored, and no state of that sentence.
 *
 * @returns how it ended, and a promise of when the state of the text is stored.
 * @throws as `Noema.summarize`.
 */
export async function summarize(
  model: LoadedModel,
  library: () => Promise<DocumentLibrary>,
  { of, ratio, to, ...settings }: SummarizeRequest,
  signal: AbortSignal,
  onConcept: (concept: Concept) => void | Promise<void>,
): Promise<{ result: SummaryResult; stored: Promise<void> }> {
  requireRatio(ratio)
  if (to !== undefined) model.space.requireLanguage(to)
  const { maxLength, beam } = await despiteLoss(() => model.conceptModel(settings.conceptModel))
  const { summaryPrompt, temperature } = summaryOf(model.manifest, settings.conceptModel)
  const text = await textOf(model, library, of, signal)
  const { sentences, language } = text
  const concepts = summaryLength(sentences.length, ratio)
  if (sentences.length + 1 + concepts > maxLength) {
    throw new ContextFull(
      `The text has ${sentences.length} sentences; with a summary of ${concepts} that is more than this model holds, ${maxLength} concepts with the one that asks for the summary. Shorten the text or ask for a smaller ratio.`,
      { sentences: sentences.length, concepts, maxLength },
    )
  }
  const read = text.concepts ?? (await model.encode(sentences, language, signal))
  const vectors = joined([read, await model.encode([summaryPrompt], 'eng_Latn', signal)])
  const beginning = { vectors, sentences, language: to ?? language, kept: sentences.length }
  const sampling = temperature !== undefined && { temperature: settings.temperature ?? temperature }
  // A summary is in the likeliest words, unless the caller has them drawn.
  const words = !draws(settings) && { beam: settings.beam ?? beam }
  const { stop, rows, stored } = await writeOn(model, beginning, { ...settings, ...sampling, ...words, concepts }, signal, onConcept)
  const reused = Math.min(sentences.length, rows.remembered + rows.restored)
  return { result: { stop, sentences, rows, reused }, stored }
}

/**
 * Most sentences of a summary: the share of the text's, rounded up, at least one.
 * @param ratio above 0, at most 1
 */
export function summaryLength(sentences: number, ratio: number): number {
  // A share such as 0.55 of 100 is 55, and not the 55.00000000000001 of binary fractions.
  return Math.max(1, Math.ceil(ratio * sentences * (1 - 2 * Number.EPSILON)))
}

/** @throws InvalidInput unless it is above 0 and at most 1. */
export function requireRatio(ratio: number): void {
  if (typeof ratio !== 'number' || !(ratio > 0 && ratio <= 1)) {
    throw new InvalidInput(`ratio must be a number above 0 and at most 1, not ${ratio}.`)
  }
}

/**
 * How a concept model of the folder summarises.
 * @param name default: the folder's default concept model
 * @returns the sentence that its summaries follow and, for a family that adds noise to its predictions, that there is to be none: a summary is of
 * what is expected.
 * @throws InvalidInput for one that has not learnt to.
 */
export function summaryOf(
  { conceptModels, defaultConceptModel }: Pick<Manifest, 'conceptModels' | 'defaultConceptModel'>,
  name = defaultConceptModel,
): { summaryPrompt: string; temperature?: 0 } {
  const { family, summaryPrompt } = conceptModels[name]!
  if (summaryPrompt !== undefined) return { summaryPrompt, ...(family === 'base_lcm' && { temperature: 0 }) }
  const able = Object.entries(conceptModels).filter(([, entry]) => entry.summaryPrompt !== undefined)
  const advice =
    able.length > 0
      ? `choose ${able.map(([name]) => name).join(' or ')}, which has`
      : 'load a model folder with one that has, whose manifest names its summaryPrompt'
  throw new InvalidInput(`The concept model ${name} has not learnt to summarise: ${advice}.`, { conceptModel: name })
}

/** What is to be summarised; a text is encoded once it is known to fit. */
async function textOf(
  model: LoadedModel,
  library: () => Promise<DocumentLibrary>,
  of: SummarizeRequest['of'],
  signal: AbortSignal,
): Promise<{ sentences: string[]; language: string; concepts?: Float32Array }> {
  if ('document' in of) return (await library()).prompt(model, of.document, signal)
  const { text, language } = of
  const sentences = typeof text === 'string' ? model.sentences(text, language) : text
  if (sentences.length === 0) throw new InvalidInput('There is nothing to summarise: give at least one sentence.')
  return { sentences, language }
}
