import { ContextFull, InvalidInput } from '../errors'
import { despiteLoss } from './device-loss'
import type { LoadedModel } from './loaded-model'
import type { PredictRequest, TeacherForcedConcept } from './protocol'

/** Every sentence of a document but the first, with what the concept model predicts in its place from those before it. */
export async function predict(
  model: LoadedModel,
  { sentences, language, seed, conceptModel, ...sampling }: PredictRequest,
  signal: AbortSignal,
): Promise<TeacherForcedConcept[]> {
  if (sentences.length < 2) throw new InvalidInput('A document to predict needs at least two sentences.')
  const { maxLength } = await despiteLoss(() => model.conceptModel(conceptModel))
  if (sentences.length > maxLength) {
    throw new ContextFull(`The document has ${sentences.length} sentences; this model holds ${maxLength} concepts.`)
  }
  const { dim } = model.space
  const vectors = await model.encode(sentences, language, signal)
  const predicted = await despiteLoss(async () => {
    const predictor = await model.conceptModel(conceptModel)
    return predictor.predictNext(vectors, { seed, sampling, signal })
  })
  return predicted.map((vector, i) => {
    const index = i + 1
    return { index, text: sentences[index] as string, embedding: vectors.slice(index * dim, (index + 1) * dim), predicted: vector }
  })
}
