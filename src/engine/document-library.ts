import { DocumentChanged, InvalidInput, throwIfAborted } from '../errors'
import { type Document, parseTitle, readDocument, type Sentence, writeDocument } from '../formats/document'
import { Documents, requireDocumentId } from '../store/documents'
import { exclusive } from '../store/exclusive'
import { emptyDatabases } from '../store/storage'
import type { LoadedModel } from './loaded-model'
import {
  type DocumentChange,
  type DocumentContent,
  type DocumentSentence,
  type DocumentSummary,
  documentNews,
  type MemorySource,
} from './protocol'

/** A document as the model reads it. */
export interface Prompt {
  sentences: string[]
  /** Raw, [n, dim]. */
  concepts: Float32Array
  /** Language of the last sentence. */
  language: string
}

/** A document as it was read from the store. */
export interface DocumentPrompt extends Prompt {
  document: readonly Sentence[]
}

/**
 * The documents kept in this browser, changed one step at a time: each step is stored before it counts. Several tabs may work on one document:
 * a step reads, changes and stores it under a lock, so that none is lost. What is appended comes after whatever is there by then; what would
 * replace or follow a sentence is refused when another stands there than the caller has seen.
 */
export class DocumentLibrary {
  readonly #documents: Documents

  /** @param documents default: those in IndexedDB. */
  constructor(documents = new Documents()) {
    this.#documents = documents
  }

  /**
   * Does one thing to a document and returns its content afterwards; nothing is changed by a step that fails.
   * @throws DocumentChanged, InvalidInput, UnsupportedLanguage, QuotaExceeded, StorageUnavailable, Aborted.
   */
  async change(model: LoadedModel, id: string, change: DocumentChange, signal?: AbortSignal): Promise<DocumentContent> {
    requireDocumentId(id)
    if (change.kind === 'forget') return this.#forget(model, id)
    if (change.kind === 'fork') requireDocumentId(change.as)
    const changed = await this.#alone(change.kind === 'fork' ? change.as : id, signal, async () => {
      const document = await this.#documents.read(id)
      const changed = await this.#changed(model, id, document, change)
      throwIfAborted(signal)
      if (change.kind === 'open') await this.#remember(model, id, document, change.remember)
      else if (change.kind === 'fork') await this.#write(model, change.as, { sentences: [] }, document)
      else if (changed !== document) await this.#write(model, id, document, changed, signal)
      return changed
    })
    const { title = '', sentences } = changed
    return { title, sentences: sentences.map(contentOf), remembered: await (await model.memory()).has(sourceOf(id)) }
  }

  /** What is kept, in no particular order. @throws StorageUnavailable. */
  async list(): Promise<DocumentSummary[]> {
    const ids = await this.#documents.list()
    return Promise.all(ids.map((id) => this.#summary(id)))
  }

  /** Erases all documents and everything else that is stored: models, memory, encodings, states. @throws StorageUnavailable. */
  async eraseEverything(): Promise<void> {
    const ids = await this.#documents.list()
    await emptyDatabases()
    for (const id of ids) announce(id)
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
  async prompt(model: LoadedModel, id: string, signal?: AbortSignal): Promise<DocumentPrompt> {
    const { sentences } = await this.#documents.read(id)
    const last = sentences.at(-1)
    if (!last) throw new InvalidInput('The document is empty: append a sentence first.')
    const concepts = await encodeDocument(model, sentences, signal)
    return { document: sentences, sentences: sentences.map(({ text }) => text), concepts, language: last.language }
  }

  /**
   * Adds a sentence that the model wrote.
   *
   * @param seen the document that it goes on from.
   * @param concept its vector is raw, [dim].
   * @returns the document with the sentence.
   * @throws DocumentChanged when the document is another by now; QuotaExceeded, StorageUnavailable.
   */
  async write(
    model: LoadedModel,
    id: string,
    seen: readonly Sentence[],
    { text, language, vector }: { text: string; language: string; vector: Float32Array },
  ): Promise<readonly Sentence[]> {
    return this.#alone(id, undefined, async () => {
      const document = await this.#documents.read(id)
      const { sentences } = document
      requireSame(id, sentences, seen)
      const written = [...sentences, { text, language, concept: { space: model.spaceFingerprint, vector } }]
      await this.#write(model, id, document, { ...document, sentences: written })
      return written
    })
  }

  async #changed(model: LoadedModel, id: string, document: Document, change: DocumentChange): Promise<Document> {
    const { sentences } = document
    switch (change.kind) {
      case 'append':
        return { ...document, sentences: [...sentences, ...split(model, change.text, change.language)] }
      case 'edit': {
        const { index, text } = change
        const edited = sentences[index]
        if (!edited && !change.seen) throw new InvalidInput(`The document has ${sentences.length} sentences and none at index ${index}.`)
        if (!edited || !change.seen || !isSameSentence(edited, change.seen)) throw changedElsewhere(id)
        const inserted = /\S/.test(text) ? split(model, text, change.language ?? edited.language) : []
        return { ...document, sentences: sentences.toSpliced(index, 1, ...inserted) }
      }
      case 'truncate': {
        const { length, seen } = change
        const isBeyond = length > sentences.length && seen.length === 0
        if (!Number.isInteger(length) || length < 0 || isBeyond) {
          throw new InvalidInput(`The document has ${sentences.length} sentences: it cannot be cut to ${length}.`)
        }
        requireSame(id, sentences.slice(length), seen)
        return { ...document, sentences: sentences.slice(0, length) }
      }
      case 'rename':
        return { title: parseTitle(change.title), sentences }
      case 'fork':
        await this.#requireNone(change.as)
        return document
      case 'import': {
        if (change.replace) requireSame(id, sentences, change.replace)
        else if (sentences.length > 0) throw new InvalidInput('The document is not empty: import the file into a new one.')
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
    let isRecalled = false
    const sentences = await this.#alone(id, undefined, async () => {
      const { sentences } = await this.#documents.read(id).catch((): Document => ({ sentences: [] }))
      // Where anything is remembered, it may stand before the document in states that are found by it.
      const memory = await model.memory()
      isRecalled = (await memory.has(sourceOf(id))) || (await memory.size()) > 0
      if (isRecalled) await model.forgetMemory(sourceOf(id))
      await this.#documents.delete(id)
      announce(id)
      return sentences
    })
    if (!isRecalled && sentences.length > 0) await model.forgetStates(await encodeDocument(model, sentences))
    for (const [language, group] of Map.groupBy(sentences, ({ language }) => language)) {
      const texts = group.map(({ text }) => text)
      await model.forgetSentences(texts, language)
    }
    return { title: '', sentences: [], remembered: false }
  }

  /** Runs a task while no other tab changes the document. */
  #alone<T>(id: string, signal: AbortSignal | undefined, task: () => Promise<T>): Promise<T> {
    return exclusive(`noema-document ${id}`, signal, task)
  }

  /** What is remembered of the document changes first and with it: where either has no room, both stay as they were. */
  async #write(model: LoadedModel, id: string, before: Document, after: Document, signal?: AbortSignal): Promise<void> {
    const isRemembered = await (await model.memory()).has(sourceOf(id))
    if (isRemembered) await remember(model, id, after.sentences, signal)
    try {
      await this.#documents.write(id, after)
    } catch (error) {
      // If this fails too, the next `open` puts it right.
      if (isRemembered) await remember(model, id, before.sentences).catch(() => {})
      throw error
    }
    announce(id)
  }

  /** Has the memory hold the document, or not, or, by default, what it holds of it brought up to date. */
  async #remember(model: LoadedModel, id: string, { sentences }: Document, wanted?: boolean): Promise<void> {
    const isRemembered = await (await model.memory()).has(sourceOf(id))
    if (wanted ?? isRemembered) await remember(model, id, sentences)
    else if (isRemembered) await model.forgetMemory(sourceOf(id))
  }
}

function contentOf({ text, language, concept }: Sentence): DocumentSentence {
  return { text, language, generated: concept !== undefined }
}

function sourceOf(id: string): MemorySource {
  return { kind: 'document', id }
}

async function remember(model: LoadedModel, id: string, sentences: readonly Sentence[], signal?: AbortSignal): Promise<void> {
  const { dim } = model.space
  const concepts = await encodeDocument(model, sentences, signal)
  const rows = sentences.map(({ text, language }, n) => ({ text, language, vector: concepts.subarray(n * dim, (n + 1) * dim) }))
  await (await model.memory()).replace(sourceOf(id), rows)
}

/** Tells every tab that a document was changed. */
function announce(id: string): void {
  const channel = new BroadcastChannel(documentNews)
  channel.postMessage(id)
  channel.close()
}

/** @throws DocumentChanged unless the sentences are those that the caller has seen. */
function requireSame(id: string, sentences: readonly Sentence[], seen: readonly { text: string; language: string }[]): void {
  const isSame = sentences.length === seen.length && sentences.every((sentence, n) => isSameSentence(sentence, seen[n]!))
  if (!isSame) throw changedElsewhere(id)
}

/** Whether nothing that can be seen of the sentence is another. */
function isSameSentence(a: { text: string; language: string }, b: { text: string; language: string }): boolean {
  return a.text === b.text && a.language === b.language
}

function changedElsewhere(id: string): DocumentChanged {
  return new DocumentChanged(`The document "${id}" was changed in another tab: look at it as it is now and try again.`, { id })
}

function split(model: LoadedModel, text: string, language: string): Sentence[] {
  return model.sentences(text, language).map((text) => ({ text, language }))
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
