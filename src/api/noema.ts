import type {
  Concept,
  ConceptOfMany,
  ContinuedDocument,
  ContinueResult,
  DocumentSummary,
  ModelInfo,
  SamplingSettings,
  SummaryResult,
  TeacherForcedConcept,
  TextSettings,
  Translation,
} from '../engine/protocol'
import type { Connection } from './connection'
import { Memory } from './memory'
import { requireText } from './require-text'
import { Session } from './session'
import { streamConcepts } from './stream'

/** What every call that can be cancelled takes. */
export interface Cancellable {
  /** Cancels the call within the time of one denoiser or decoder step; it then rejects with `Aborted`. */
  signal?: AbortSignal
}

export interface EncodeOptions extends Cancellable {
  /** FLORES-200 code of the sentences. Default `eng_Latn`. */
  language?: string
}

export interface DecodeOptions extends Cancellable, TextSettings {
  /** FLORES-200 code of the text to write. Default `eng_Latn`. */
  language?: string
  /** Seed of every random choice, an integer. Default 0. */
  seed?: number
}

export interface TranslateOptions extends Cancellable, TextSettings {
  from: string
  to: string
  /** Seed of every random choice, an integer. Default 0. */
  seed?: number
}

export interface PredictOptions extends Cancellable, SamplingSettings {
  /** FLORES-200 code of the sentences. Default `eng_Latn`. */
  language?: string
  /** Seed of every random choice, an integer. Default 0. */
  seed?: number
  /** A key of `info.conceptModels`. Default: `info.defaultConceptModel`. */
  conceptModel?: string
}

export interface ContinueOptions extends PredictOptions, TextSettings {
  /** How many concepts to write at most, from 1. Default 5. */
  concepts?: number
  /** FLORES-200 code of the text to write. Default: `language`. */
  to?: string
  /**
   * How many sentences of `memory` to put before the text at most, 0 (default) to 1000: those most like one of its last 16 sentences, and none that
   * stand in the text or its document. As many as the model's context has room for. The first concept and the result name them.
   */
  recall?: number
  /** Whether each concept comes with the way that the denoising took to it, `Concept.trajectory`; it costs one larger read-back. Default false. */
  trajectory?: boolean
  /**
   * Whether the text goes on from what each new sentence says, read again by the encoder, and not from the prediction that it was put into words from,
   * as the reference does. Default: `info.conceptModels[…].reread`.
   */
  reread?: boolean
}

export interface ContinueManyOptions extends Omit<ContinueOptions, 'recall' | 'trajectory'> {
  /** How often each text is continued, from 1; texts times samples are at most 1000. Default 1. */
  samples?: number
}

export interface SummarizeOptions extends PredictOptions, TextSettings {
  /**
   * How long the summary may be, as a share of the text's sentences: above 0, at most 1. Rounded up, so that it is one sentence at least.
   * Default 0.2.
   */
  ratio?: number
  /** FLORES-200 code of the summary. Default: `language`. */
  to?: string
}

/** How a document is opened. */
export interface OpenOptions extends Cancellable {
  /**
   * `true`: its sentences are in `memory` from now on, and follow its changes, on later visits too; `false`: they are not, and what was there is
   * erased. Default: as it was left; a new document is not remembered.
   */
  remember?: boolean
}

/**
 * A loaded model in a worker of its own. Made by `load`.
 *
 * Its calls, those of its sessions and its memory among them, are served one at a time, in order: a `translate` made while `continue` runs waits for
 * its end. A second `load` is a second worker, with the model in memory twice.
 */
export class Noema {
  readonly #connection: Connection
  /** The model and the machine under it. */
  readonly info: ModelInfo
  /** What is remembered across texts and visits. */
  readonly memory: Memory

  /** @internal `load` makes it. */
  constructor(connection: Connection, info: ModelInfo) {
    this.#connection = connection
    this.info = info
    this.memory = new Memory(connection)
  }

  /**
   * Continues a text concept by concept; each is yielded as soon as it is decoded. The generator's return value says how it ended.
   * Leaving the loop early cancels the rest.
   *
   * @throws InvalidInput when the text has no sentence or a setting is out of range; UnsupportedLanguage; ContextFull when the text and
   * the new concepts do not fit the model's context; NoConceptModel when the model folder has a space only; DeviceLost; Aborted.
   */
  async *continue(text: string, options: ContinueOptions = {}): AsyncGenerator<Concept, ContinueResult> {
    const { signal, language = 'eng_Latn', to = language, seed = 0, concepts = 5, ...settings } = options
    const request = { ...settings, text: requireText(text), language, to, seed, concepts }
    return yield* streamConcepts(this.#connection, signal, (engine, job, onConcept) => engine.continue(job, request, onConcept))
  }

  /**
   * Continues several texts together, each `samples` times: one pass of the concept model and of the decoder serves all that go on, so that on a GPU
   * many take little longer than one. Sample k of a text is what `continue` writes with the seed `seed + k`. Concepts are yielded as they come,
   * those of different texts in turn; the generator's return value says how each ended, the samples of a text one after another. A One-Tower model or
   * a Quant-LCM, and any model on the processor, continues one after another.
   *
   * @throws as `continue`; InvalidInput for `recall` and `trajectory` too.
   */
  async *continueMany(texts: readonly string[], options: ContinueManyOptions = {}): AsyncGenerator<ConceptOfMany, ContinuedDocument[]> {
    const { signal, language = 'eng_Latn', to = language, seed = 0, concepts = 5, samples = 1, ...settings } = options
    const request = { ...settings, texts: texts.map(requireText), language, to, seed, concepts, samples }
    return yield* streamConcepts<ConceptOfMany, ContinuedDocument[]>(this.#connection, signal, (engine, job, onConcept) =>
      engine.continueMany(job, request, onConcept),
    )
  }

  /**
   * Summarises a text concept by concept, as `continue` continues it: the concept model reads it and, after a sentence that asks for a summary,
   * writes one, until it ends it or the `ratio` is reached. By default a Base-LCM adds no noise, `temperature: 0`; the other settings are the
   * model's own. `info.conceptModels` has a `summaryPrompt` for each model that has learnt to summarise.
   *
   * @param text a text to be split, or its sentences.
   * @throws InvalidInput when there is no sentence, the ratio or a setting is out of range, or the concept model has not learnt to summarise;
   * ContextFull when the text and its summary do not fit the model's context; UnsupportedLanguage; NoConceptModel; DeviceLost; Aborted.
   */
  async *summarize(text: string | readonly string[], options: SummarizeOptions = {}): AsyncGenerator<Concept, SummaryResult> {
    const { signal, language = 'eng_Latn', seed = 0, ratio = 0.2, ...settings } = options
    const given = typeof text === 'object' && text !== null ? Array.from(text, requireText) : requireText(text)
    const request = { ...settings, seed, ratio, of: { text: given, language } }
    return yield* streamConcepts<Concept, SummaryResult>(this.#connection, signal, (engine, job, onConcept) =>
      engine.summarize(job, request, onConcept),
    )
  }

  /**
   * Opens a document that is kept in this browser, or begins a new one.
   *
   * @param id any name of 1 to 500 characters.
   * @throws InvalidInput, StorageUnavailable, Aborted; QuotaExceeded when it is to be remembered and there is no room.
   */
  open(id: string, { signal, remember }: OpenOptions = {}): Promise<Session> {
    return Session.open(this.#connection, id, { signal, remember })
  }

  /** The documents kept in this browser, in no particular order. @throws StorageUnavailable, Aborted. */
  documents({ signal }: Cancellable = {}): Promise<DocumentSummary[]> {
    return this.#connection.call(signal, (engine, job) => engine.listDocuments(job))
  }

  /** What `Session.forget` does, for a document that cannot be opened too because it is damaged. @throws StorageUnavailable, Aborted. */
  async forget(id: string, { signal }: Cancellable = {}): Promise<void> {
    await this.#connection.call(signal, (engine, job) => engine.changeDocument(job, id, { kind: 'forget' }))
  }

  /** Sentences → concepts, `[n, dim]` row-major, raw space. @throws InvalidInput, UnsupportedLanguage, Aborted. */
  encode(sentences: readonly string[], { language = 'eng_Latn', signal }: EncodeOptions = {}): Promise<Float32Array> {
    const texts = sentences.map(requireText)
    return this.#connection.call(signal, (engine, job) => engine.encode(job, texts, language))
  }

  /**
   * Concepts → one sentence each.
   *
   * @param vectors `[n, dim]` row-major, raw space.
   * @throws InvalidInput when the length is not a multiple of `info.dim`, a number is not finite or a setting is out of range;
   * UnsupportedLanguage; Aborted.
   */
  decode(vectors: Float32Array, { language = 'eng_Latn', seed = 0, signal, ...text }: DecodeOptions = {}): Promise<string[]> {
    return this.#connection.call(signal, (engine, job) => engine.decode(job, vectors, { ...text, language, seed }))
  }

  /** Translates sentence by sentence through the concept space. @throws InvalidInput, UnsupportedLanguage, Aborted. */
  translate(text: string, { from, to, seed = 0, signal, ...settings }: TranslateOptions): Promise<Translation[]> {
    return this.#connection.call(signal, (engine, job) => engine.translate(job, { ...settings, text: requireText(text), from, to, seed }))
  }

  /** The sentences, each one concept, as the model would read them. @throws InvalidInput, UnsupportedLanguage. */
  split(text: string, { language = 'eng_Latn', signal }: EncodeOptions = {}): Promise<string[]> {
    return this.#connection.call(signal, (engine, job) => engine.split(job, requireText(text), language))
  }

  /**
   * Predicts every sentence of a document but the first from the true sentences before it (teacher forcing).
   *
   * @throws InvalidInput for fewer than two sentences; otherwise as `continue`.
   */
  predict(sentences: readonly string[], options: PredictOptions = {}): Promise<TeacherForcedConcept[]> {
    const { signal, language = 'eng_Latn', seed = 0, ...settings } = options
    const request = { ...settings, language, seed, sentences: sentences.map(requireText) }
    return this.#connection.call(signal, (engine, job) => engine.predict(job, request))
  }

  /** Runs a conformance file (the parsed JSON) through the code that serves users, and reports each case. */
  conformance(file: unknown, { signal }: Cancellable = {}) {
    return this.#connection.call(signal, (engine, job) => engine.conformance(job, file))
  }

  /**
   * Compares a space converted from SONAR's weights with the known answers of SONAR's own test.
   *
   * @throws InvalidInput for another space, Aborted.
   */
  verifySonar({ signal }: Cancellable = {}) {
    return this.#connection.call(signal, (engine, job) => engine.verifySonar(job))
  }

  /** Ends the worker and frees everything it holds; calls in flight reject with `Aborted`. */
  dispose(): void {
    this.#connection.close()
  }
}
