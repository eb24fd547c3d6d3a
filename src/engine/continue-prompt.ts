import { ContextFull } from '../errors'
import { writeOn } from './continuation'
import { despiteLoss, joined } from './device-loss'
import type { Prompt } from './document-library'
import type { LoadedModel } from './loaded-model'
import { type Concept, type ContinueDocumentRequest, type ContinueResult, mostResults } from './protocol'
import { requireInteger } from './require-integer'

/**
 * Continues what a prompt holds, after what is recalled for it.
 * @param prompt is read once it is known to fit the model; `document` names the one it stands in
 * @throws InvalidInput for a number out of range; ContextFull when prompt and new concepts do not fit; as `writeOn`.
 */
export async function continuePrompt(
  model: LoadedModel,
  prompt: { length: number; read: () => Promise<Prompt>; document?: string },
  { to, recall = 0, ...settings }: ContinueDocumentRequest,
  signal: AbortSignal,
  onConcept: (concept: Concept) => void | Promise<void>,
): Promise<{ result: ContinueResult; stored: Promise<void> }> {
  const { concepts } = settings
  requireInteger('concepts', concepts, 1, 10_000)
  requireInteger('recall', recall, 0, mostResults)
  const { maxLength } = await despiteLoss(() => model.conceptModel(settings.conceptModel))
  if (prompt.length + concepts > maxLength) {
    throw new ContextFull(
      `The text has ${prompt.length} sentences; with ${concepts} new ones that is more than the ${maxLength} concepts this model holds. Shorten the text or ask for fewer.`,
      { sentences: prompt.length, concepts, maxLength },
    )
  }
  const read = await prompt.read()
  const room = Math.min(recall, maxLength - prompt.length - concepts)
  const recalled = room > 0 ? await (await model.memory()).recall(read, room, prompt.document) : []
  // The most relevant stands nearest to the prompt.
  const vectors = joined([...recalled.map(({ embedding }) => embedding).reverse(), read.concepts])
  const beginning = { vectors, sentences: read.sentences, language: to ?? read.language }
  const { stop, rows, stored } = await writeOn(model, beginning, settings, signal, (concept) =>
    onConcept(concept.index === 0 && recalled.length > 0 ? { ...concept, recalled } : concept),
  )
  return { result: { stop, sentences: read.sentences, recalled, rows }, stored }
}
