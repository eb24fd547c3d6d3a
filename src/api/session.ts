import {
  type Concept,
  type ContinueResult,
  type DocumentChange,
  type DocumentContent,
  documentNews,
  type SummaryResult,
} from '../engine/protocol'
import { DocumentChanged } from '../errors'
import type { Connection } from './connection'
import type { ContinueOptions, EncodeOptions, OpenOptions, SummarizeOptions } from './noema'
import { requireText } from './require-text'
import { streamConcepts } from './stream'

/** Settings of `Session.continue`: those of `Noema.continue`, but the document knows its own languages. */
export interface ContinueSessionOptions extends Omit<ContinueOptions, 'language'> {
  /** FLORES-200 code of the text to write. Default: the language of the last sentence. */
  to?: string
}

/** Settings of `Session.summarize`: those of `Noema.summarize`, but the document knows its own languages. */
export interface SummarizeSessionOptions extends Omit<SummarizeOptions, 'language'> {
  /** FLORES-200 code of the summary. Default: the language of the last sentence. */
  to?: string
}

/**
 * A document that outlives the tab. Every change is in the browser's storage before its call returns, and what the model made of the document
 * is kept as well: when it is opened again, only what is new is computed. Made by `Noema.open`.
 *
 * Other tabs may work on the document at the same time, and no text is lost: `append` comes after whatever is there by then; `edit`, `truncate`,
 * `import` and `continue` throw DocumentChanged, and change nothing, when a sentence to be replaced or removed, or any that the new one goes on
 * from, is not the one that was seen.
 * `sentences` is the document as it is after each call, and `watch` tells of changes in between. `forget` removes what any tab wrote.
 *
 * A change that is aborted is made whole or not at all: the call throws Aborted where it was not, and returns where the abort came too late. A
 * `continue` that is aborted, or left early, may still have put the concept into the document that it was about to yield: `sentences` says so.
 *
 * Each call may throw StorageUnavailable when the browser keeps nothing for this page, QuotaExceeded when it is full (the document then stays
 * as it was) and InvalidInput when what is stored cannot be read.
 */
export class Session {
  readonly id: string
  readonly #connection: Connection
  #content: DocumentContent = { title: '', sentences: [], remembered: false }

  private constructor(connection: Connection, id: string) {
    this.#connection = connection
    this.id = id
  }

  /** @internal For `Noema.open`. */
  static async open(connection: Connection, id: string, { signal, remember }: OpenOptions = {}): Promise<Session> {
    const session = new Session(connection, id)
    await session.#change({ kind: 'open', ...(remember !== undefined && { remember }) }, signal)
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

  /** Whether its sentences are in `Noema.memory`, as `open` with `remember` left it. */
  get remembered(): boolean {
    return this.#content.remembered
  }

  /** Adds the sentences of a text. @throws InvalidInput for a text without a word, UnsupportedLanguage, Aborted. */
  async append(text: string, { language = 'eng_Latn', signal }: EncodeOptions = {}): Promise<void> {
    await this.#change({ kind: 'append', text: requireText(text), language }, signal)
  }

  /**
   * Puts the sentences of a text in the place of one sentence; a text without a word removes it. What the model made of the sentences before it
   * stays good.
   *
   * @param options with a `language`: that of the text. Default: the sentence's.
   * @throws InvalidInput for an index that is not there; DocumentChanged when the sentence is not the one in `sentences` any more;
   * UnsupportedLanguage; Aborted.
   */
  async edit(index: number, text: string, { language, signal }: EncodeOptions = {}): Promise<void> {
    const seen = this.sentences[index] ?? null
    await this.#change({ kind: 'edit', index, text: requireText(text), seen, ...(language !== undefined && { language }) }, signal)
  }

  /**
   * Removes all sentences but the first `length`.
   * @throws InvalidInput for a length that is not there; DocumentChanged when those to be removed are not the ones in `sentences` any more.
   */
  async truncate(length: number): Promise<void> {
    await this.#change({ kind: 'truncate', length, seen: this.sentences.slice(length) })
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
   * @throws as `Noema.continue`; DocumentChanged when another tab changes the document meanwhile: the concepts yielded so far are in it.
   */
  async *continue(options: ContinueSessionOptions = {}): AsyncGenerator<Concept, ContinueResult> {
    const { signal, seed = 0, concepts = 5, ...settings } = options
    const request = { ...settings, seed, concepts }
    const note = ({ text, language }: Concept) => {
      const { sentences, ...rest } = this.#content
      this.#content = { ...rest, sentences: [...sentences, { text, language, generated: true }] }
    }
    const run: Parameters<typeof streamConcepts<Concept, ContinueResult>>[2] = (engine, job, onConcept) =>
      engine.continueDocument(job, this.id, request, onConcept)
    let isWhole = false
    try {
      const result = yield* streamConcepts(this.#connection, signal, run, note)
      isWhole = true
      return result
    } finally {
      if (!isWhole) await this.#lookAgain()
    }
  }

  /**
   * Summarises the document as it is in the store, as `Noema.summarize` does. What is known of it is not computed again, and it stays as it is: the
   * summary is not in it.
   *
   * @throws as `Noema.summarize`.
   */
  async *summarize(options: SummarizeSessionOptions = {}): AsyncGenerator<Concept, SummaryResult> {
    const { signal, seed = 0, ratio = 0.2, ...settings } = options
    const request = { ...settings, seed, ratio, of: { document: this.id } }
    return yield* streamConcepts<Concept, SummaryResult>(this.#connection, signal, (engine, job, onConcept) =>
      engine.summarize(job, request, onConcept),
    )
  }

  /**
   * Calls back when another tab, or another session of this one, has changed the document and `sentences` shows it.
   * @returns what ends it; disposing of the model does too.
   */
  watch(onChange: () => void): () => void {
    const channel = new BroadcastChannel(documentNews)
    const end = () => channel.close()
    let news = 0
    channel.onmessage = async ({ data }) => {
      if (data !== this.id || news++ > 0) return
      // News that comes while the document is read may be of a later change.
      for (let heard = 0; heard < news; ) {
        heard = news
        // What cannot be read now is told by the next call.
        const content = await this.#run({ kind: 'open' }).catch(() => this.#content)
        if (JSON.stringify(content) === JSON.stringify(this.#content)) continue
        this.#content = content
        onChange()
      }
      news = 0
    }
    this.#connection.ended.then(end)
    return end
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
   * @param options with `replace`: whether it may hold sentences, which the file's then replace in one step. Default false.
   * @throws InvalidInput for another file, or a document that is not empty without `replace`; DocumentChanged when the sentences to be replaced are
   * not those in `sentences` any more.
   */
  async import(file: Blob, { replace = false }: { replace?: boolean } = {}): Promise<void> {
    await this.#change({ kind: 'import', file: await file.text(), ...(replace && { replace: this.sentences }) })
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
    try {
      this.#content = await this.#run(change, signal)
    } catch (error) {
      if (error instanceof DocumentChanged) await this.#lookAgain()
      throw error
    }
  }

  /** Brings `sentences` up to date with the store, where it can be read. */
  async #lookAgain(): Promise<void> {
    this.#content = await this.#run({ kind: 'open' }).catch(() => this.#content)
  }

  #run(change: DocumentChange, signal?: AbortSignal): Promise<DocumentContent> {
    return this.#connection.call(signal, (engine, job) => engine.changeDocument(job, this.id, change))
  }
}
