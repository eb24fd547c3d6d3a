import { normalizeText } from '../space/normalize'
import { continueDespiteLoss, despiteLoss, type Ending } from './device-loss'
import { chooseDraft } from './drafts'
import type { LoadedModel } from './loaded-model'
import type { Predictor } from './predictor'
import type { Concept, ContinueSettings, TextSettings } from './protocol'
import { wording } from './wording'

/** What is written on from. */
export interface Beginning {
  /** Everything that the concept model reads, raw, [n, dim]. */
  vectors: Float32Array
  /** The text in words. */
  sentences: readonly string[]
  /** FLORES-200 code to write in. */
  language: string
  /** How many of the concepts may have their state stored; of what comes after them nothing is. Default: all, and those written. */
  kept?: number
}

/**
 * Predicts the concepts that follow, and puts each into words.
 * @throws InvalidInput for a setting out of range; UnsupportedLanguage; Aborted; DeviceLost.
 */
export async function writeOn(
  model: LoadedModel,
  { vectors, sentences, language, kept }: Beginning,
  {
    concepts,
    seed,
    beam,
    nearest,
    textTopK,
    textTopP,
    textTemperature,
    textDrafts,
    maxTokens,
    conceptModel,
    trajectory,
    reread: wanted,
    ...sampling
  }: Omit<ContinueSettings, 'recall'>,
  signal: AbortSignal,
  onConcept: (concept: Concept) => void | Promise<void>,
): Promise<Ending> {
  const open = () => model.conceptModel(conceptModel)
  const predictor = await despiteLoss(open)
  const words = (first: number) =>
    wording(
      { beam, nearest, textTopK, textTopP, textTemperature, textDrafts, maxTokens },
      { seed, ...model.decoding, beam: predictor.beam, text: predictor.text, first },
    )
  model.space.requireDecodeOptions({ ...words(0), language })
  const first = vectors.length / model.space.dim
  const draftLanguage = rereadLanguage(predictor, wanted, language)
  const written: string[] = []
  const say = async (concept: Float32Array, position: number) => {
    const options = { ...words(position), language: draftLanguage ?? language }
    const [drafts] = await model.space.candidates(concept, { ...options, signal })
    const before = [...sentences, ...written.slice(0, position - first)]
    const text = options.sampling ? chooseDraft(drafts!, before, options.language) : drafts![0]!.text
    written[position - first] = text
    return text
  }
  let said: { text: string; milliseconds: number } | undefined
  const settle = async (concept: Float32Array, position: number) => {
    const start = performance.now()
    const draft = await say(concept, position)
    const isKept = draftLanguage === language && kept === undefined
    const read = await readAgain(model, draft, { concept, language: draftLanguage!, isKept, signal })
    const [text] = draftLanguage === language ? [draft] : await sayRead(model, read, { beam, nearest, maxTokens }, { language, signal })
    said = { text: text!, milliseconds: performance.now() - start }
    return read
  }
  const settling = draftLanguage && { settle }
  const generation = continueDespiteLoss(open, vectors, { concepts, seed, sampling, trajectory, kept, signal, ...settling })
  try {
    for (let index = 0; ; index++) {
      const { value, done } = await generation.next()
      if (done) return value
      const { milliseconds, ...concept } = value
      const start = performance.now()
      const text = said?.text ?? (await say(concept.embedding, first + index))
      const before = said?.milliseconds ?? 0
      const timing = { predict: milliseconds - before, decode: before + performance.now() - start }
      said = undefined
      await onConcept({ index, text, language, ...concept, timing })
    }
  } finally {
    await generation.return(undefined as never)
  }
}

/**
 * The vector of what a concept was put into; a concept without words stays as it is.
 * @param options.isKept whether it is the sentence of the text itself, which is stored as any other of it. A draft that the text is not made of is in
 * no document, so nothing would ever forget it.
 */
export function readAgain(
  model: LoadedModel,
  text: string,
  { concept, language, isKept, signal }: { concept: Float32Array; language: string; isKept: boolean; signal: AbortSignal },
): Promise<Float32Array> {
  if (normalizeText(text) === '') return Promise.resolve(concept)
  return isKept ? model.encode([text], language, signal) : model.space.encode([text], { language, signal })
}

/** The language in which predictions are put into words and read again, where that is wanted: the model's, or that of the text. */
export function rereadLanguage({ reread }: Predictor, wanted: boolean | undefined, language: string): string | undefined {
  return (wanted ?? reread !== undefined) ? (reread ?? language) : undefined
}

/** What was read again, raw [n, dim], in the language of the text: found by beam search, as any sentence that is translated. */
export async function sayRead(
  model: LoadedModel,
  read: Float32Array,
  settings: Pick<TextSettings, 'beam' | 'nearest' | 'maxTokens'>,
  call: { language: string; signal: AbortSignal },
): Promise<string[]> {
  const options = { ...wording(settings, { seed: 0, ...model.decoding }), ...call }
  return (await model.space.decode(read, options)).map(({ text }) => text)
}
