import type { Concept, ContinueResult, DocumentChange, DocumentSentence } from '../engine/protocol'
import type { Connection } from './connection'
import type { ContinueOptions, EncodeOptions, OpenOptions } from './noema'
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
  #sentences: readonly DocumentSentence[] = []

  private constructor(connection: Connection, id: string) {
    this.#connection = connection
    this.id = id
  }

  /** For `Noema.open`. */
  static async open(connection: Connection, id: string, { signal, remember }: OpenOptions = {}): Promise<Session> {
    const session = new Session(connection, id)
    await session.#change({ kind: 'open', ...(remember !== undefined && { remember }) }, signal)
    return session
  }

  /** The document as this session last saw it. */
  get sentences(): readonly DocumentSentence[] {
    return this.#sentences
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
      this.#sentences = [...this.#sentences, { text, language, generated: true }]
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

  /** Fills an empty document from a file that `export` made. @throws InvalidInput for another file or a document that is not empty. */
  async import(file: Blob): Promise<void> {
    await this.#change({ kind: 'import', file: await file.text() })
  }

  /**
   * Removes the document with the encodings and states of its sentences and what is remembered of it. Other documents that begin alike compute
   * their states again; all do where `Noema.memory` holds anything, since that may be part of any state. Earlier versions of edited sentences stay in
   * the caches until newer entries take their place.
   */
  async forget(): Promise<void> {
    await this.#change({ kind: 'forget' })
  }

  async #change(change: DocumentChange, signal?: AbortSignal): Promise<void> {
    this.#sentences = await this.#connection.call(signal, (engine, job) => engine.changeDocument(job, this.id, change))
  }
}
