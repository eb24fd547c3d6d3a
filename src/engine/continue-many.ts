import { ContextFull, InvalidInput } from '../errors'
import { requireSeed } from '../models/generate'
import type { ConceptOfMany as PredictedOfMany } from '../models/generate-many'
import { readAgain, rereadLanguage, sayRead } from './continuation'
import { despiteLoss, joined } from './device-loss'
import { chooseDraft } from './drafts'
import type { LoadedModel } from './loaded-model'
import { continueManyDespiteLoss } from './many-despite-loss'
import type { ConceptOfMany, ContinuedDocument, ContinueManyRequest } from './protocol'
import { requireInteger } from './require-integer'
import { wording } from './wording'

/** Most documents of one call, samples counted each. */
const mostDocuments = 1000

/**
 * Continues several texts, each `samples` times, as many at once as `ConceptBatch.size` says: every step of the concept model and of the decoder is
 * one for all of these.
 * @throws InvalidInput for a setting out of range, and for those that only one text can have.
 * @returns how each ended, the samples of a text one after another, and a promise of when the states of the texts are stored.
 */
export async function continueMany(
  model: LoadedModel,
  { texts, samples, language, to, concepts, seed, conceptModel, ...settings }: ContinueManyRequest,
  signal: AbortSignal,
  onConcept: (concept: ConceptOfMany) => void | Promise<void>,
): Promise<{ result: ContinuedDocument[]; stored: Promise<void> }> {
  const { beam, nearest, textTopK, textTopP, textTemperature, textDrafts, maxTokens, reread: wanted, ...sampling } = settings
  const text = { beam, nearest, textTopK, textTopP, textTemperature, textDrafts, maxTokens }
  const foreign = ['recall', 'trajectory'].find((name) => settings[name as keyof typeof settings])
  if (foreign)
    throw new InvalidInput(`Of several texts at once there is no ${foreign}: leave it out, or continue them one by one.`, { name: foreign })
  if (texts.length === 0) throw new InvalidInput('There is nothing to continue: give at least one text.')
  requireInteger('concepts', concepts, 1, 10_000)
  requireInteger('samples', samples, 1, mostDocuments)
  requireInteger('texts times samples', texts.length * samples, 1, mostDocuments)
  requireSeed(seed)
  requireSeed(seed + samples - 1)
  model.space.requireLanguage(to)
  const sentences = texts.map((text) => model.sentences(text, language))
  const predictor = await despiteLoss(() => model.conceptModel(conceptModel))
  const longest = Math.max(...sentences.map(({ length }) => length))
  if (longest + concepts > predictor.maxLength) {
    throw new ContextFull(
      `A text has ${longest} sentences; with ${concepts} new ones that is more than the ${predictor.maxLength} concepts this model holds. Shorten it or ask for fewer.`,
      { sentences: longest, concepts, maxLength: predictor.maxLength },
    )
  }
  const words = (seed: number, first: number) =>
    wording(text, { seed, ...model.decoding, beam: predictor.beam, text: predictor.text, first })
  model.space.requireDecodeOptions({ ...words(seed, 0), language: to })

  const { dim } = model.space
  const vectors = await model.encode(sentences.flat(), language, signal)
  let read = 0
  const prompts = sentences.map(({ length }) => {
    const start = read
    read += length
    return vectors.slice(start * dim, read * dim)
  })
  const documents = prompts.flatMap((prompt, document) =>
    Array.from({ length: samples }, (_, sample) => ({ prompt, document, sample, seed: seed + sample })),
  )
  const result = documents.map(
    ({ document, sample }): ContinuedDocument => ({
      document,
      sample,
      stop: 'length',
      sentences: sentences[document]!,
      rows: { remembered: 0, restored: 0, computed: 0 },
    }),
  )
  const draftLanguage = rereadLanguage(predictor, wanted, to)
  const written = documents.map((): string[] => [])
  const say = async (concepts: readonly PredictedOfMany[]): Promise<string[]> => {
    const { sampling: drawing, ...rest } = words(seed, 0)
    // Each concept's words are drawn with the numbers they would have if its document were continued alone.
    const random = (row: number) => {
      const { document, position } = concepts[row]!
      return words(documents[document]!.seed, position).sampling!.random(0)
    }
    const vectors = joined(concepts.map(({ concept }) => concept))
    const found = await model.space.candidates(vectors, {
      ...rest,
      ...(drawing && { sampling: { ...drawing, random } }),
      language: draftLanguage ?? to,
      signal,
    })
    const texts: string[] = []
    for (const [row, drafts] of found.entries()) {
      const { document: index, position } = concepts[row]!
      const { document, prompt } = documents[index]!
      const at = position - prompt.length / dim
      const own = written[index]!
      const before = [...sentences[document]!, ...own.slice(0, at)]
      const text = drawing ? chooseDraft(drafts, before, draftLanguage ?? to) : drafts[0]!.text
      own[at] = text
      texts.push(text)
    }
    return texts
  }
  const said = new Map<number, string>()
  let saying = 0
  const settle = async (predicted: readonly PredictedOfMany[]) => {
    const began = performance.now()
    const drafts = await say(predicted)
    const read: Float32Array[] = []
    // One by one: read together they could differ in their last bits from what they are alone.
    for (const [row, draft] of drafts.entries())
      read.push(
        await readAgain(model, draft, { concept: predicted[row]!.concept, language: draftLanguage!, isKept: draftLanguage === to, signal }),
      )
    const texts = draftLanguage === to ? drafts : await sayRead(model, joined(read), { beam, nearest, maxTokens }, { language: to, signal })
    for (const [row, { document }] of predicted.entries()) said.set(document, texts[row]!)
    saying = performance.now() - began
    return read
  }
  const settling = draftLanguage && { settle }
  const show = async (predicted: readonly PredictedOfMany[], milliseconds: number) => {
    for (const { document, stop } of predicted) if (stop) result[document]!.stop = stop
    const shown = predicted.filter(({ stop }) => stop !== 'end-of-text')
    if (shown.length === 0) return
    const began = performance.now()
    const texts = settling ? shown.map(({ document }) => said.get(document)!) : await say(shown)
    const timing = { predict: milliseconds - saying, decode: saying + performance.now() - began }
    for (const [row, { document: index, position, concept }] of shown.entries()) {
      const { document, sample, prompt } = documents[index]!
      const place = { document, sample, index: position - prompt.length / dim }
      // What is not there when the call ends is not heard any more.
      await onConcept({ ...place, text: texts[row]!, language: to, embedding: concept, timing })
    }
  }
  const open = () => model.conceptModel(conceptModel)
  const generation = continueManyDespiteLoss(open, documents, { concepts, sampling, signal, ...settling })
  try {
    for (;;) {
      const { value, done } = await generation.next()
      if (done) {
        for (const [index, rows] of value.rows.entries()) result[index]!.rows = rows
        return { result, stored: value.stored }
      }
      await show(value.concepts, value.milliseconds)
    }
  } finally {
    await generation.return(undefined as never)
  }
}
