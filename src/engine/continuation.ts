import { continueDespiteLoss, despiteLoss, type Ending } from './device-loss'
import type { LoadedModel } from './loaded-model'
import type { Concept, ContinueSettings } from './protocol'
import { wording } from './wording'

/** What is written on from. */
export interface Beginning {
  /** Everything that the concept model reads, raw, [n, dim]. */
  vectors: Float32Array
  /** FLORES-200 code to write in. */
  language: string
  /** How many of the concepts may have their state stored; what comes after them is for this call only. Default: all, and those written. */
  kept?: number
}

/**
 * Predicts the concepts that follow, and puts each into words.
 * @throws InvalidInput for a setting out of range; UnsupportedLanguage; Aborted; DeviceLost.
 */
export async function writeOn(
  model: LoadedModel,
  { vectors, language, kept }: Beginning,
  {
    concepts,
    seed,
    beam,
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
      { beam, textTopK, textTopP, textTemperature, textDrafts, maxTokens },
      { seed, beam: predictor.beam, text: predictor.text, first },
    )
  model.space.requireDecodeOptions({ ...words(0), language })
  const first = vectors.length / model.space.dim
  const say = async (concept: Float32Array, position: number) => {
    const [decoded] = await model.space.decode(concept, { ...words(position), language, signal })
    return decoded!.text
  }
  let said: { text: string; milliseconds: number } | undefined
  const settle = async (concept: Float32Array, position: number) => {
    const start = performance.now()
    const text = await say(concept, position)
    const read = await readAgain(model, text, { concept, language, signal })
    said = { text, milliseconds: performance.now() - start }
    return read
  }
  const settling = (wanted ?? predictor.reread) && { settle }
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

/** The vector of what a concept was put into; a concept without words stays as it is. */
export function readAgain(
  model: LoadedModel,
  text: string,
  { concept, language, signal }: { concept: Float32Array; language: string; signal: AbortSignal },
): Promise<Float32Array> {
  return text.trim() === '' ? Promise.resolve(concept) : model.encode([text], language, signal)
}
