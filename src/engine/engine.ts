import * as Comlink from 'comlink'
import { KernelError, throwIfAborted } from '../errors'
import { type RuntimeFiles, useRuntimeFiles } from '../onnx'
import type { OnProgress } from '../progress'
import { holdForLife } from '../store/exclusive'
import type { CaseReport } from './conformance-report'
import { continuePrompt } from './continue-prompt'
import type { DocumentLibrary } from './document-library'
import { heard, rejectWhenAborted } from './heard'
import { LoadedModel } from './loaded-model'
import { Mutex } from './mutex'
import type {
  Backend,
  Concept,
  ConceptOfMany,
  ContinueDocumentRequest,
  ContinuedDocument,
  ContinueManyRequest,
  ContinueRequest,
  ContinueResult,
  DecodeRequest,
  DocumentChange,
  DocumentContent,
  DocumentSummary,
  MemorySource,
  ModelInfo,
  PredictRequest,
  RememberedConcept,
  SummarizeRequest,
  SummaryResult,
  TeacherForcedConcept,
  TranslateRequest,
  Translation,
} from './protocol'
import { transferred } from './transfer'
import { wording } from './wording'

/**
 * What lives in the worker: one model, and every call a page can make on it. Each call has a job number that `abort` takes.
 * Calls are served one at a time, in order, so that each finds the concept state to itself.
 */
export class Engine {
  readonly #jobs = new Map<number, AbortController>()
  readonly #turn = new Mutex()
  #openLibrary: Promise<DocumentLibrary> | undefined
  #model: LoadedModel | undefined

  /**
   * The first call; answers as soon as the worker runs.
   * @param life name of a lock that it holds from then on until it ends, however it ends
   * @returns whether it holds it: some browsers and some pages have no locks
   */
  start(files: RuntimeFiles, life: string): Promise<boolean> {
    useRuntimeFiles(files)
    return holdForLife(life)
  }

  /** Ends a call with `Aborted` within the time of one step; an unknown or finished job is ignored. */
  abort(job: number): void {
    this.#jobs.get(job)?.abort()
  }

  /** @param onDeviceLost called once for every GPU device that is lost as long as the model is in use */
  async load(
    job: number,
    { url, backend }: { url: string; backend: Backend },
    onProgress: OnProgress,
    onDeviceLost: (message: string) => void,
  ): Promise<ModelInfo> {
    return this.#run(job, onProgress, async (signal) => {
      this.#model?.dispose()
      this.#model = await LoadedModel.load(url, { backend, signal, onProgress, onDeviceLost })
      return this.#model.info
    })
  }

  /** Resolves when the state of the text is stored; the call after it need not wait for that. */
  async continue(job: number, request: ContinueRequest, onConcept: (concept: Concept) => void | Promise<void>): Promise<ContinueResult> {
    const { result, stored } = await this.#run(job, onConcept, async (signal, model) => {
      const { text, language, to, ...settings } = request
      model.space.requireLanguage(to)
      const sentences = model.sentences(text, language)
      const read = async () => ({ sentences, concepts: await model.encode(sentences, language, signal), language })
      return continuePrompt(model, { length: sentences.length, read }, { ...settings, to }, signal, (concept) =>
        heard(onConcept(concept), signal),
      )
    })
    await stored
    return result
  }

  /** As `continue`, for several texts together. Its code is loaded at first need: most pages continue one text at a time. */
  async continueMany(
    job: number,
    request: ContinueManyRequest,
    onConcept: (concept: ConceptOfMany) => void | Promise<void>,
  ): Promise<ContinuedDocument[]> {
    const { result, stored } = await this.#run(job, onConcept, async (signal, model) => {
      const { continueMany } = await import('./continue-many')
      return continueMany(model, request, signal, (concept) => heard(onConcept(concept), signal))
    })
    await stored
    return result
  }

  /** As `continue`; every concept is in the document before it is handed out. */
  async continueDocument(
    job: number,
    id: string,
    request: ContinueDocumentRequest,
    onConcept: (concept: Concept) => void | Promise<void>,
  ): Promise<ContinueResult> {
    const { result, stored } = await this.#run(job, onConcept, async (signal, model) => {
      const { continueDocument } = await import('./continue-document')
      return continueDocument(model, await this.#library, { id, ...request }, signal, (concept) => heard(onConcept(concept), signal))
    })
    await stored
    return result
  }

  /** Summarises a text or a document, which stays as it is. Its code is loaded at first need: most pages only continue. */
  async summarize(job: number, request: SummarizeRequest, onConcept: (concept: Concept) => void | Promise<void>): Promise<SummaryResult> {
    const { result, stored } = await this.#run(job, onConcept, async (signal, model) => {
      const { summarize } = await import('./summary')
      return summarize(
        model,
        () => this.#library,
        request,
        signal,
        (concept) => heard(onConcept(concept), signal),
      )
    })
    await stored
    return result
  }

  /** Does one thing to a document and returns its content afterwards. An abort that comes once it is being stored comes too late. */
  async changeDocument(job: number, id: string, change: DocumentChange): Promise<DocumentContent> {
    return this.#run(job, undefined, async (signal, model) => (await this.#library).change(model, id, change, signal), true)
  }

  async listDocuments(job: number): Promise<DocumentSummary[]> {
    return this.#run(job, undefined, async () => (await this.#library).list())
  }

  async documentConcepts(job: number, id: string): Promise<Float32Array> {
    return this.#run(job, undefined, async (signal, model) => transferred(await (await this.#library).concepts(model, id, signal)))
  }

  async exportDocument(job: number, id: string): Promise<string> {
    return this.#run(job, undefined, async () => (await this.#library).export(id))
  }

  /** Adds the sentences of texts to notes of the concept memory; resolves to how many. */
  async addToMemory(job: number, texts: string[], notes: { language: string; source: string }): Promise<number> {
    return this.#run(job, undefined, async (signal, model) => {
      const { addToMemory } = await import('./memory-calls')
      return addToMemory(model, texts, notes, signal)
    })
  }

  /** @param query a text, or raw concepts [q, dim] */
  async searchMemory(job: number, query: string | Float32Array, k: number, language: string): Promise<RememberedConcept[]> {
    return this.#run(job, undefined, async (signal, model) => {
      const { searchMemory } = await import('./memory-calls')
      return searchMemory(model, query, { k, language }, signal)
    })
  }

  async forgetMemory(job: number, source?: MemorySource): Promise<void> {
    return this.#run(job, undefined, (_, model) => model.forgetMemory(source))
  }

  async memorySize(job: number): Promise<number> {
    return this.#run(job, undefined, async (_, model) => (await model.memory()).size())
  }

  /** Needs no model. */
  async eraseEverything(job: number): Promise<void> {
    return this.#run(job, undefined, async () => (await this.#library).eraseEverything())
  }

  async encode(job: number, sentences: string[], language: string): Promise<Float32Array> {
    return this.#run(job, undefined, async (signal, model) => transferred(await model.encode(sentences, language, signal)))
  }

  async decode(job: number, vectors: Float32Array, { language, seed, ...text }: DecodeRequest): Promise<string[]> {
    return this.#run(job, undefined, async (signal, model) => {
      const decoded = await model.space.decode(vectors, { ...wording(text, { seed, ...model.decoding }), language, signal })
      return decoded.map(({ text }) => text)
    })
  }

  async translate(job: number, { text, from, to, seed, ...settings }: TranslateRequest): Promise<Translation[]> {
    return this.#run(job, undefined, async (signal, model) => {
      model.space.requireLanguage(to)
      const options = wording(settings, { seed, ...model.decoding })
      const sentences = model.sentences(text, from)
      const vectors = await model.encode(sentences, from, signal)
      const decoded = await model.space.decode(vectors, { ...options, language: to, signal })
      return sentences.map((source, i) => ({ source, text: decoded[i]?.text ?? '' }))
    })
  }

  async split(job: number, text: string, language: string): Promise<string[]> {
    return this.#run(job, undefined, async (_, model) => model.sentences(text, language))
  }

  /** Its code is loaded at first need: most pages only continue. */
  async predict(job: number, request: PredictRequest): Promise<TeacherForcedConcept[]> {
    return this.#run(job, undefined, async (signal, model) => {
      const { predict } = await import('./predict')
      return predict(model, request, signal)
    })
  }

  /** The checks are loaded when they are asked for: few pages ever do. */
  async conformance(job: number, file: unknown): Promise<CaseReport[]> {
    return this.#run(job, undefined, async (signal, model) => {
      const { runConformance } = await import('./conformance')
      return runConformance(file, await model.machine(), signal)
    })
  }

  async verifySonar(job: number): Promise<CaseReport[]> {
    return this.#run(job, undefined, async (signal, model) => {
      const { verifySonar } = await import('./verify-sonar')
      return verifySonar(model.space, signal)
    })
  }

  /** Its code is loaded at first need: pages that keep no documents do without. */
  get #library(): Promise<DocumentLibrary> {
    this.#openLibrary ??= import('./document-library').then(({ DocumentLibrary }) => new DocumentLibrary())
    return this.#openLibrary
  }

  /**
   * Waits for its turn, runs one call with the loaded model, and lets go of the caller's callback when it ends.
   * @param isChange whether a caller that aborts has to know if the call came to its end all the same
   */
  async #run<T>(
    job: number,
    callback: unknown,
    call: (signal: AbortSignal, model: LoadedModel) => Promise<T>,
    isChange = false,
  ): Promise<T> {
    const controller = new AbortController()
    this.#jobs.set(job, controller)
    try {
      let hasBegun = false
      const result = this.#turn.run(async () => {
        throwIfAborted(controller.signal)
        hasBegun = true
        return call(controller.signal, this.#model as LoadedModel).catch((error) => {
          // A cache that could not grow leaves its concept model without one: the next call is to have it anew.
          if (error instanceof KernelError) this.#model?.dropConceptModels()
          throw error
        })
      })
      // The caller hears of its abort at once; the turn passes on when the step that runs has ended.
      const aborted = rejectWhenAborted(controller.signal).catch((error) => {
        if (isChange && hasBegun) return result
        throw error
      })
      return await Promise.race([result, aborted])
    } finally {
      this.#jobs.delete(job)
      const release = (callback as Partial<Comlink.ProxyMethods> | undefined)?.[Comlink.releaseProxy]
      release?.call(callback)
    }
  }
}
