import { requireDocumentId } from '../store/documents'
import type { LoadedModel } from './loaded-model'
import type { RememberedConcept } from './protocol'

/** Adds the sentences of texts to notes of the concept memory; resolves to how many. @throws InvalidInput for a source that is no name. */
export async function addToMemory(
  model: LoadedModel,
  texts: readonly string[],
  { language, source }: { language: string; source: string },
  signal: AbortSignal,
): Promise<number> {
  requireDocumentId(source)
  const sentences = texts.flatMap((text) => model.sentences(text, language))
  const vectors = await model.encode(sentences, language, signal)
  const { dim } = model.space
  const rows = sentences.map((text, i) => ({ text, language, vector: vectors.subarray(i * dim, (i + 1) * dim) }))
  await (await model.memory()).append({ kind: 'notes', id: source }, rows)
  return rows.length
}

/** @param query a text, or raw concepts [q, dim] */
export async function searchMemory(
  model: LoadedModel,
  query: string | Float32Array,
  { k, language }: { k: number; language: string },
  signal: AbortSignal,
): Promise<RememberedConcept[]> {
  const vectors = typeof query === 'string' ? await model.encode(model.sentences(query, language), language, signal) : query
  return (await model.memory()).search(vectors, k)
}
