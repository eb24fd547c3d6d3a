import { continuePrompt } from './continue-prompt'
import type { DocumentLibrary } from './document-library'
import type { LoadedModel } from './loaded-model'
import type { Concept, ContinueDocumentRequest, ContinueResult } from './protocol'

/** Continues a document of the library, in which every concept is before it is handed out. */
export async function continueDocument(
  model: LoadedModel,
  library: DocumentLibrary,
  { id, ...request }: ContinueDocumentRequest & { id: string },
  signal: AbortSignal,
  onConcept: (concept: Concept) => void | Promise<void>,
): Promise<{ result: ContinueResult; stored: Promise<void> }> {
  if (request.to !== undefined) model.space.requireLanguage(request.to)
  const prompt = await library.prompt(model, id, signal)
  let { document } = prompt
  const write = async (concept: Concept) => {
    const { text, language, embedding: vector } = concept
    document = await library.write(model, id, document, { text, language, vector })
    await onConcept(concept)
  }
  return continuePrompt(model, { length: prompt.sentences.length, read: async () => prompt, document: id }, request, signal, write)
}
