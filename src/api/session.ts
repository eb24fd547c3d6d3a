import type { Concept, ContinueResult, DocumentChange, DocumentContent } from '../engine/protocol'
import type { Connection } from './connection'
import type { ContinueOptions, EncodeOptions } from './noema'
import { requireText } from './require-text'
import { streamConcepts } from './stream'

/** Settings of `Session.continue`: those of `Noema.continue`, but the document knows its own languages. */
export interface ContinueSessionOptions extends Omit<ContinueOptions, 'language'> {
  /** FLORES-200 code of the text to write. Default: the language of the last sentence. */
  to?: string
}

/**
 * A document that outlives the tab. Every change is in the browser's storage before its call returns, and what the model made of the document
 * is kept as well: when it is opened again, only what is new is computed. Made by `Noema.open`.
 *
 * Each call may throw StorageUnavailable when the browser keeps nothing for this page, QuotaExceeded when it is full (the document then stays
 * as it was) and InvalidInput when what is stored cannot be read.
 */
export class Session {
  readonly id: string
  readonly #connection: Connection
  #content: DocumentContent = { title: '', sentences: [] }

  private constructor(connection: Connection, id: string) {
    this.#connection = connection
    this.id = id
  }

  /** For `Noema.open`. */
  static async open(connection: Connection, id: string, signal?: AbortSignal): Promise<Session> {
    const session = new Session(connection, id)
    await session.#change({ kind: 'open' }, signal)
    return session
  }

  /** The document as this session last saw it. */
  get sentences(): DocumentContent['sentences'] {
    return this.#content.sentences
  }

  /** The name that `rename` gave it, or an empty text. */
  get title(): string {
    return this.#content.title
  }

  /** Adds the sentences of a text. @throws InvalidInput for a text without a word, UnsupportedLanguage, Aborted. */
  async append(text: string, { language = 'eng_Latn', signal }: EncodeOptions = {}): Promise<void> {
    await this.#change({ kind: 'append', text: requireText(text), language }, signal)
  }

  /**
   * Puts the sentences of a text in the place of one sentence; a text without a word removes it. What the model made of the sentences before it
   * stays good.
   *
   * @param language of the text. Default: the sentence's.
   * @throws InvalidInput for an index that is not there, UnsupportedLanguage, Aborted.
   */
  async edit(index: number, text: string, { language, signal }: EncodeOptions = {}): Promise<void> {
    await this.#change({ kind: 'edit', index, text: requireText(text), ...(language !== undefined && { language }) }, signal)
  }

  /** Removes all sentences but the first `length`. @throws InvalidInput for a length that is not there. */
  async truncate(length: number): Promise<void> {
    await this.#change({ kind: 'truncate', length })
  }

  /** Gives the document a title of at most 200 characters, which its file carries too; an empty one takes the title away. @throws InvalidInput. */
  async rename(title: string): Promise<void> {
    await this.#change({ kind: 'rename', title: requireText(title) })
  }

  /**
   * The concepts of its sentences, `[n, dim]` row-major, raw space: those that the model wrote as it wrote them, the others encoded.
   * @throws Aborted.
   */
  concepts({ signal }: { signal?: AbortSignal } = {}): Promise<Float32Array> {
    return this.#connection.call(signal, (engine, job) => engine.documentConcepts(job, this.id))
  }

  /**
   * Writes on, as `Noema.continue` does; each concept is in the document before it is yielded. Continuing twice by one concept gives what
   * continuing once by two gives, a reload in between or not.
   *
   * @throws as `Noema.continue`.
   */
  async *continue(options: ContinueSessionOptions = {}): AsyncGenerator<Concept, ContinueResult> {
    const { signal, ...settings } = options
    const request = { seed: 0, concepts: 5, ...settings }
    const note = ({ text, language }: Concept) => {
      const { title, sentences } = this.#content
      this.#content = { title, sentences: [...sentences, { text, language, generated: true }] }
    }
    return yield* streamConcepts(
      this.#connection,
      signal,
      (engine, job, onConcept) => engine.continueDocument(job, this.id, request, onConcept),
      note,
    )
  }

  /** A copy under another name; what the model made of the document serves both. @throws InvalidInput when the name is taken. */
  async fork(id: string): Promise<Session> {
    await this.#change({ kind: 'fork', as: id })
    return Session.open(this.#connection, id)
  }

  /** The document as a JSON file that `import` takes on any device. */
  async export(): Promise<Blob> {
    const file = await this.#connection.call(undefined, (engine, job) => engine.exportDocument(job, this.id))
    return new Blob([file], { type: 'application/json' })
  }

  /**
   * Fills the document from a file that `export` made.
   * @param replace whether it may hold sentences, which the file's then replace in one step. Default false.
   * @throws InvalidInput for another file, or a document that is not empty without `replace`.
   */
  async import(file: Blob, { replace = false }: { replace?: boolean } = {}): Promise<void> {
    await this.#change({ kind: 'import', file: await file.text(), replace })
  }

  /**
   * Removes the document with the encodings and states of its sentences. Other documents that begin alike compute theirs again. Earlier
   * versions of edited sentences stay in the caches until newer entries take their place.
   */
  async forget(): Promise<void> {
    await this.#change({ kind: 'forget' })
  }

  async #change(change: DocumentChange, signal?: AbortSignal): Promise<void> {
    this.#content = await this.#connection.call(signal, (engine, job) => engine.changeDocument(job, this.id, change))
  }
}
