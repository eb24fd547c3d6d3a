import type { MemorySource, RememberedConcept } from '../engine/protocol'
import { InvalidInput } from '../errors'
import type { Connection } from './connection'
import { requireText } from './require-text'

export interface MemoryOptions {
  /** FLORES-200 code of the text. Default `eng_Latn`. */
  language?: string
  /** Cancels the call; it then rejects with `Aborted`. */
  signal?: AbortSignal
}

export interface MemoryAddOptions extends MemoryOptions {
  /** A name of 1 to 500 characters for the notes that the texts are added to. Default `notes`. */
  source?: string
}

/**
 * Sentences that outlive the tab, found by what they mean, in all languages of the model at once: notes that are added here, and the documents that
 * are opened with `remember: true`. Kept in this browser only, for the model that encoded them, up to a million sentences; nothing is thrown out to
 * make room. Made by `load` as `noema.memory`.
 *
 * Each call may throw StorageUnavailable when the browser keeps nothing for this page.
 */
export class Memory {
  readonly #connection: Connection

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection
  }

  /**
   * The remembered sentences that are most like a text or concepts: the highest cosines, exactly, among everything remembered. Where the query has
   * several sentences, a remembered one counts by the sentence it is most like.
   *
   * @param query a text, or concepts `[n, dim]` of `encode`, n ≥ 1.
   * @param k how many to find at most, 1 to 1000. Default 10.
   * @returns best first; equals by the kind, name and place of their source.
   * @throws InvalidInput for a text without a word or vectors of another length; UnsupportedLanguage; Aborted.
   */
  search(query: string | Float32Array, k = 10, { language = 'eng_Latn', signal }: MemoryOptions = {}): Promise<RememberedConcept[]> {
    const checked = query instanceof Float32Array ? query : requireText(query)
    return this.#connection.call(signal, (engine, job) => engine.searchMemory(job, checked, k, language))
  }

  /**
   * Remembers the sentences of texts as notes, after those the notes have already.
   *
   * @returns how many sentences.
   * @throws InvalidInput for a text without a word; UnsupportedLanguage; QuotaExceeded, and then none is remembered; Aborted.
   */
  add(texts: readonly string[], { language = 'eng_Latn', source = 'notes', signal }: MemoryAddOptions = {}): Promise<number> {
    const checked = texts.map(requireText)
    return this.#connection.call(signal, (engine, job) => engine.addToMemory(job, checked, { language, source }))
  }

  /**
   * Erases what is remembered of one source, or, without one, everything remembered under any model, with what was computed from it: encodings and
   * the states of documents, which are made again when they are needed. Documents themselves stay.
   *
   * @throws InvalidInput for anything that is no source.
   */
  async forget(source?: MemorySource): Promise<void> {
    if (source !== undefined && ((source?.kind !== 'document' && source?.kind !== 'notes') || typeof source.id !== 'string')) {
      throw new InvalidInput('A source is { kind, id }, with kind "document" or "notes"; give none to forget everything.')
    }
    const named = source && { kind: source.kind, id: source.id }
    await this.#connection.call(undefined, (engine, job) => engine.forgetMemory(job, named))
  }

  /** How many sentences are remembered for this model. */
  size(): Promise<number> {
    return this.#connection.call(undefined, (engine, job) => engine.memorySize(job))
  }
}
