import { InvalidInput, throwIfAborted } from '../errors'
import { type Document, readDocument, type Sentence, writeDocument } from '../formats/document'
import { Documents, requireDocumentId } from '../store/documents'
import type { LoadedModel } from './loaded-model'
import type { DocumentChange, DocumentSentence, MemorySource } from './protocol'

/** A document as the model reads it. */
export interface Prompt {
  sentences: string[]
  /** Raw, [n, dim]. */
  concepts: Float32Array
  /** Language of the last sentence. */
  language: string
}

/** The documents kept in this browser, changed one step at a time: each step is stored before it counts. */
export class DocumentLibrary {
  readonly #documents = new Documents()

  /**
   * Does one thing to a document and returns its sentences afterwards; nothing is changed by a step that fails.
   * @throws InvalidInput, UnsupportedLanguage, QuotaExceeded, StorageUnavailable, Aborted.
   */
  async change(model: LoadedModel, id: string, change: DocumentChange, signal?: AbortSignal): Promise<DocumentSentence[]> {
    requireDocumentId(id)
    if (change.kind === 'forget') return this.#forget(model, id)
    const { sentences } = await this.#documents.read(id)
    const changed = await this.#changed(model, sentences, change)
    throwIfAborted(signal)
    if (change.kind === 'open') await this.#remember(model, id, sentences, change.remember)
    else if (change.kind === 'fork') await this.#documents.write(change.as, { sentences })
    else await this.#write(model, id, sentences, changed, signal)
    return changed.map(({ text, language, concept }) => ({ text, language, generated: concept !== undefined }))
  }

  /** The document as a file. */
  async export(id: string): Promise<string> {
    return writeDocument(await this.#documents.read(id))
  }

  /**
   * The document's concepts: those that the model wrote as it wrote them, the others encoded.
   * @throws InvalidInput for an empty document; UnsupportedLanguage; StorageUnavailable; Aborted.
   */
  async prompt(model: LoadedModel, id: string, signal?: AbortSignal): Promise<Prompt> {
    const { sentences } = await this.#documents.read(id)
    const last = sentences.at(-1)
    if (!last) throw new InvalidInput('The document is empty: append a sentence first.')
    const concepts = await encodeDocument(model, sentences, signal)
    return { sentences: sentences.map(({ text }) => text), concepts, language: last.language }
  }

  /** Adds a sentence that the model wrote. @param vector its raw concept, [dim] */
  async write(model: LoadedModel, id: string, { text, language, vector }: { text: string; language: string; vector: Float32Array }) {
    const { sentences } = await this.#documents.read(id)
    const sentence = { text, language, concept: { space: model.spaceFingerprint, vector } }
    await this.#write(model, id, sentences, [...sentences, sentence])
  }

  /** What is remembered of the document changes first and with it: where either has no room, both stay as they were. */
  async #write(model: LoadedModel, id: string, before: Sentence[], after: Sentence[], signal?: AbortSignal): Promise<void> {
    const isRemembered = await model.memory.has(sourceOf(id))
    if (isRemembered) await remember(model, id, after, signal)
    try {
      await this.#documents.write(id, { sentences: after })
    } catch (error) {
      // If this fails too, the next `open` puts it right.
      if (isRemembered) await remember(model, id, before).catch(() => {})
      throw error
    }
  }

  /** Has the memory hold the document, or not, or, by default, what it holds of it brought up to date. */
  async #remember(model: LoadedModel, id: string, sentences: Sentence[], wanted?: boolean): Promise<void> {
    const isRemembered = await model.memory.has(sourceOf(id))
    if (wanted ?? isRemembered) await remember(model, id, sentences)
    else if (isRemembered) await model.forgetMemory(sourceOf(id))
  }

  async #changed(model: LoadedModel, sentences: Sentence[], change: DocumentChange): Promise<Sentence[]> {
    switch (change.kind) {
      case 'append':
        return [...sentences, ...split(model, change.text, change.language)]
      case 'edit': {
        const { index, text } = change
        const edited = sentences[index]
        if (!edited) throw new InvalidInput(`The document has ${sentences.length} sentences and none at index ${index}.`)
        return sentences.toSpliced(index, 1, ...(/\S/.test(text) ? split(model, text, change.language ?? edited.language) : []))
      }
      case 'fork':
        requireDocumentId(change.as)
        await this.#requireNone(change.as)
        return sentences
      case 'import': {
        if (sentences.length > 0) throw new InvalidInput('The document is not empty: import the file into a new one.')
        const imported = readDocument(change.file)
        for (const { language } of imported.sentences) model.space.requireLanguage(language)
        return imported.sentences
      }
      default:
        return sentences
    }
  }

  async #requireNone(id: string): Promise<void> {
    const { sentences } = await this.#documents.read(id)
    if (sentences.length > 0) throw new InvalidInput(`There is already a document "${id}": fork into another name.`)
  }

  /** Even a document that cannot be read any more can be forgotten. */
  async #forget(model: LoadedModel, id: string): Promise<[]> {
    const { sentences } = await this.#documents.read(id).catch((): Document => ({ sentences: [] }))
    // Where anything is remembered, it may stand before the document in states that are found by it.
    const isRecalled = (await model.memory.has(sourceOf(id))) || (await model.memory.size()) > 0
    if (isRecalled) await model.forgetMemory(sourceOf(id))
    await this.#documents.delete(id)
    if (sentences.length === 0) return []
    if (!isRecalled) await model.forgetStates(await encodeDocument(model, sentences))
    for (const [language, group] of Map.groupBy(sentences, ({ language }) => language)) {
      const texts = group.map(({ text }) => text)
      await model.forgetSentences(texts, language)
    }
    return []
  }
}

function sourceOf(id: string): MemorySource {
  return { kind: 'document', id }
}

async function remember(model: LoadedModel, id: string, sentences: readonly Sentence[], signal?: AbortSignal): Promise<void> {
  const { dim } = model.space
  const concepts = await encodeDocument(model, sentences, signal)
  const rows = sentences.map(({ text, language }, n) => ({ text, language, vector: concepts.subarray(n * dim, (n + 1) * dim) }))
  await model.memory.replace(sourceOf(id), rows)
}

function split(model: LoadedModel, text: string, language: string): Sentence[] {
  return model.space.split(text, language).map(({ text }) => ({ text, language }))
}

/** Raw concepts [n, dim]. A vector of another space is of no use: its text is encoded. */
async function encodeDocument(model: LoadedModel, sentences: readonly Sentence[], signal?: AbortSignal): Promise<Float32Array> {
  const { dim } = model.space
  const written = ({ concept }: Sentence) =>
    concept?.space === model.spaceFingerprint && concept.vector.length === dim ? concept.vector : null
  const concepts = new Float32Array(sentences.length * dim)
  for (const [n, sentence] of sentences.entries()) concepts.set(written(sentence) ?? [], n * dim)
  const unwritten = [...sentences.entries()].filter(([, sentence]) => !written(sentence))
  for (const [language, group] of Map.groupBy(unwritten, ([, sentence]) => sentence.language)) {
    const texts = group.map(([, { text }]) => text)
    const vectors = await model.encode(texts, language, signal)
    for (const [i, [n]] of group.entries()) concepts.set(vectors.subarray(i * dim, (i + 1) * dim), n * dim)
  }
  return concepts
}
