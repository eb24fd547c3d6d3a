import type { ConceptModelManifest } from '../formats/concept-model-manifest'
import type { ConceptModel } from '../models/concept-model'
import { seededNoise } from '../models/generate'
import { type ConceptOfMany, generateMany } from '../models/generate-many'
import type { DocumentMemory } from './document-memory'
import type { ManyDocument, ManySettings } from './predictor'
import { samplingOptions } from './sampling'

/** What `Predictor.generateMany` does, with what the predictor is made of. */
export async function* predictMany(
  {
    model,
    memory,
    manifest,
    endOfText,
  }: { model: ConceptModel; memory: DocumentMemory; manifest: ConceptModelManifest; endOfText: Float32Array },
  documents: readonly ManyDocument[],
  { concepts, sampling, signal, settle, onRead }: ManySettings,
): AsyncGenerator<{ concepts: ConceptOfMany[]; milliseconds: number }, void> {
  const { endOfTextThreshold, stopOnRepetitionThreshold } = manifest.decoding
  const read = async (prompt: Float32Array) => {
    onRead(prompt, await memory.recall(prompt))
    await model.append(prompt.subarray(model.length * model.dim), { signal })
    memory.keep()
  }
  const prompts = documents.map(({ seed, ...document }) => ({ ...document, noise: seededNoise(seed) }))
  const generation = generateMany(model, prompts, {
    read,
    sampling: samplingOptions(manifest, sampling),
    signal,
    maxConcepts: concepts,
    endOfText: { concept: endOfText, threshold: endOfTextThreshold },
    repetitionThreshold: stopOnRepetitionThreshold,
    ...(settle && { settle }),
  })
  let start = performance.now()
  for await (const concepts of generation) {
    yield { concepts, milliseconds: performance.now() - start }
    start = performance.now()
  }
}
