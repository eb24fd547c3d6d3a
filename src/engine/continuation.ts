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
    maxTokens,
    conceptModel,
    trajectory,
    ...sampling
  }: Omit<ContinueSettings, 'recall'>,
  signal: AbortSignal,
  onConcept: (concept: Concept) => void | Promise<void>,
): Promise<Ending> {
  const open = () => model.conceptModel(conceptModel)
  const predictor = await despiteLoss(open)
  const words = (first: number) => wording({ beam, textTopK, textTopP, textTemperature, maxTokens }, { seed, beam: predictor.beam, first })
  model.space.requireDecodeOptions({ ...words(0), language })
  const first = vectors.length / model.space.dim
  const generation = continueDespiteLoss(open, vectors, { concepts, seed, sampling, trajectory, kept, signal })
  try {
    for (let index = 0; ; index++) {
      const { value, done } = await generation.next()
      if (done) return value
      const { milliseconds, ...predicted } = value
      const start = performance.now()
      const [decoded] = await model.space.decode(predicted.embedding, { ...words(first + index), language, signal })
      const timing = { predict: milliseconds, decode: performance.now() - start }
      await onConcept({ index, text: decoded?.text ?? '', language, ...predicted, timing })
    }
  } finally {
    await generation.return(undefined as never)
  }
}
