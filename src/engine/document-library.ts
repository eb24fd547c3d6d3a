import { InvalidInput, throwIfAborted } from '../errors'
import { type Document, parseTitle, readDocument, type Sentence, writeDocument } from '../formats/document'
import { Documents, requireDocumentId } from '../store/documents'
import type { LoadedModel } from './loaded-model'
import type { DocumentChange, DocumentContent, DocumentSummary } from './protocol'

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
   * Does one thing to a document and returns its content afterwards; nothing is changed by a step that fails.
   * @throws InvalidInput, UnsupportedLanguage, QuotaExceeded, StorageUnavailable, Aborted.
   */
  async change(model: LoadedModel, id: string, change: DocumentChange, signal?: AbortSignal): Promise<DocumentContent> {
    requireDocumentId(id)
    if (change.kind === 'forget') return this.#forget(model, id)
    const document = await this.#documents.read(id)
    const changed = await this.#changed(model, document, change)
    throwIfAborted(signal)
    if (change.kind === 'fork') await this.#documents.write(change.as, document)
    else if (changed !== document) await this.#documents.write(id, changed)
    return contentOf(changed)
  }

  /** What is kept, in no particular order. @throws StorageUnavailable. */
  async list(): Promise<DocumentSummary[]> {
    const ids = await this.#documents.list()
    return Promise.all(ids.map((id) => this.#summary(id)))
  }

  /** The document as a file. */
  async export(id: string): Promise<string> {
    return writeDocument(await this.#documents.read(id))
  }

  /** The document's raw concepts [n, dim], as `prompt` has them. @throws UnsupportedLanguage; StorageUnavailable; Aborted. */
  async concepts(model: LoadedModel, id: string, signal?: AbortSignal): Promise<Float32Array> {
    const { sentences } = await this.#documents.read(id)
    return encodeDocument(model, sentences, signal)
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
    const document = await this.#documents.read(id)
    const sentence = { text, language, concept: { space: model.spaceFingerprint, vector } }
    await this.#documents.write(id, { ...document, sentences: [...document.sentences, sentence] })
  }

  async #changed(model: LoadedModel, document: Document, change: DocumentChange): Promise<Document> {
    const { sentences } = document
    switch (change.kind) {
      case 'append':
        return { ...document, sentences: [...sentences, ...split(model, change.text, change.language)] }
      case 'edit': {
        const { index, text } = change
        const edited = sentences[index]
        if (!edited) throw new InvalidInput(`The document has ${sentences.length} sentences and none at index ${index}.`)
        const inserted = /\S/.test(text) ? split(model, text, change.language ?? edited.language) : []
        return { ...document, sentences: sentences.toSpliced(index, 1, ...inserted) }
      }
      case 'truncate': {
        const { length } = change
        if (!Number.isInteger(length) || length < 0 || length > sentences.length) {
          throw new InvalidInput(`The document has ${sentences.length} sentences: it cannot be cut to ${length}.`)
        }
        return { ...document, sentences: sentences.slice(0, length) }
      }
      case 'rename':
        return { title: parseTitle(change.title), sentences }
      case 'fork':
        requireDocumentId(change.as)
        await this.#requireNone(change.as)
        return document
      case 'import': {
        if (sentences.length > 0 && !change.replace) throw new InvalidInput('The document is not empty: import the file into a new one.')
        const imported = readDocument(change.file)
        for (const { language } of imported.sentences) model.space.requireLanguage(language)
        return imported
      }
      default:
        return document
    }
  }

  /** Even a document that cannot be read is listed, so that it can be forgotten. */
  async #summary(id: string): Promise<DocumentSummary> {
    try {
      const { title = '', sentences } = await this.#documents.read(id)
      return { id, title, beginning: sentences[0]?.text ?? '', sentences: sentences.length, readable: true }
    } catch (error) {
      if (!(error instanceof InvalidInput)) throw error
      return { id, title: '', beginning: '', sentences: 0, readable: false }
    }
  }

  async #requireNone(id: string): Promise<void> {
    const { sentences } = await this.#documents.read(id)
    if (sentences.length > 0) throw new InvalidInput(`There is already a document "${id}": fork into another name.`)
  }

  /** Even a document that cannot be read any more can be forgotten. */
  async #forget(model: LoadedModel, id: string): Promise<DocumentContent> {
    const { sentences } = await this.#documents.read(id).catch((): Document => ({ sentences: [] }))
    await this.#documents.delete(id)
    if (sentences.length > 0) {
      await model.forgetStates(await encodeDocument(model, sentences))
      for (const [language, group] of Map.groupBy(sentences, ({ language }) => language)) {
        const texts = group.map(({ text }) => text)
        await model.forgetSentences(texts, language)
      }
    }
    return contentOf({ sentences: [] })
  }
}

function contentOf({ title = '', sentences }: Document): DocumentContent {
  return { title, sentences: sentences.map(({ text, language, concept }) => ({ text, language, generated: concept !== undefined })) }
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
