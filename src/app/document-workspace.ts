import { Aborted, type DocumentSentence, load, type Noema, type Progress, type Session, WorkerFailed } from '../api'
import { presetOf } from './dials'
import { floresCodes } from './messages'
import { mostPoints } from './neighbours'
import { rows } from './numbers'
import { type Outcome, PageState } from './page-state'
import { preferences } from './preferences'
import { Readings } from './readings'
import { Remembered } from './remembered'

/** Steps that can be taken back. */
const mostUndo = 10

/**
 * The model and the documents kept in this browser. Actions run one after the other and throw nothing: what went wrong is in `error` until the next
 * action.
 */
export class DocumentWorkspace extends PageState {
  readonly readings = new Readings(() => this.changed())
  readonly remembered = new Remembered(() => this.changed())
  #running: AbortController | null = null
  #undo: Blob[] = []
  #ready: Promise<void> = Promise.resolve()
  #turn: Promise<void> = Promise.resolve()

  get isRunning(): boolean {
    return this.#running !== null
  }

  get canUndo(): boolean {
    return this.#undo.length > 0
  }

  /** Shows the document in a second language too. @param language FLORES-200; `null` for none. */
  readBeside(language: string | null): void {
    this.readings.language = language
    this.#updateReadings()
    this.changed()
  }

  /** Loads the model and opens the document of the last visit; after a failure it may be called again. */
  start(): void {
    this.loading = { state: 'loading', progress: null }
    const sample = this.#sample()
    if (!preferences.document) this.sentences = sample
    this.changed()
    this.#ready = this.#load(sample)
    this.#ready.catch((error) => {
      this.loading = { state: 'failed', error }
      this.changed()
    })
  }

  /** Ends the action that `run` has begun. */
  stop(): void {
    this.#running?.abort()
  }

  undo(): Promise<void> {
    return this.change(async (session) => {
      const file = this.#undo.at(-1)
      if (!file) return
      await session.import(file, { replace: true })
      this.#undo.pop()
      this.outcome = 'undone'
    })
  }

  /** @param id default: that of a new document */
  openDocument(id = newId()): Promise<void> {
    return this.change(() => this.open(id))
  }

  /** Opens a document where it is not open, and leads to one of its sentences. */
  openSentence(id: string, index: number): Promise<void> {
    return this.change(async (session) => {
      if (session.id !== id) await this.open(id)
      this.wanted = index
    })
  }

  /** Whether the open document's sentences are in the memory from now on. */
  remember(isWanted: boolean): Promise<void> {
    return this.change(async (session, noema) => {
      this.session = await noema.open(session.id, { remember: isWanted })
    })
  }

  rememberAll(): Promise<void> {
    return this.run(async (session, noema, signal) => {
      this.say('remembering')
      for (const { id, readable } of this.documents) if (readable) await noema.open(id, { remember: true, signal })
      this.session = await noema.open(session.id)
      this.outcome = null
    })
  }

  rename(title: string): Promise<void> {
    return this.change((session) => session.rename(title))
  }

  /** Opens a copy of the open document. */
  duplicate(title: string): Promise<void> {
    return this.change(async (session) => {
      const copy = await session.fork(newId())
      await copy.rename(title)
      await this.open(copy.id)
    })
  }

  /** The open document as a file; none when it cannot be read. */
  async exportFile(): Promise<Blob | undefined> {
    return this.session?.export().catch((error) => void this.set({ error }))
  }

  /** Opens a new document with what the file holds. */
  import(file: Blob): Promise<void> {
    return this.change(async (_, noema) => {
      const session = await noema.open(newId())
      await session.import(file)
      await this.open(session.id)
    })
  }

  /** Forgets a document, a damaged one too, and opens the newest of the others where it was the open one. */
  forget(id: string): Promise<void> {
    return this.change(async (session, noema) => {
      await noema.forget(id)
      if (id !== session.id) return
      await this.#list(noema)
      await this.open(this.documents.find((document) => document.readable && document.id !== id)?.id ?? newId())
    })
  }

  /** Takes an action that ends what runs. */
  protected change(work: (session: Session, noema: Noema) => Promise<unknown>): Promise<void> {
    this.stop()
    return this.#take(async () => {
      await this.#ready
      if (this.session && this.noema) await work(this.session, this.noema)
    })
  }

  /** Takes an action that takes a while and can be stopped, unless one runs; while the model loads it waits for it. */
  protected run(work: (session: Session, noema: Noema, signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.#running) return Promise.resolve()
    const controller = new AbortController()
    const { signal } = controller
    this.#running = controller
    return this.#take(async () => {
      try {
        if (this.loading.state === 'loading') this.say('waiting')
        await Promise.race([this.#ready, abortion(signal)])
        if (this.session && this.noema) await work(this.session, this.noema, signal)
      } finally {
        this.#running = null
      }
    })
  }

  /** So that what follows can be undone. */
  protected async keep(session: Session): Promise<void> {
    this.#undo = [...this.#undo, await session.export()].slice(-mostUndo)
  }

  protected async open(id: string): Promise<Session> {
    const session = await (this.noema as Noema).open(id)
    this.session = session
    this.#undo = []
    this.summary = null
    this.highlighted = null
    preferences.document = id
    return session
  }

  protected say(outcome: Outcome | null): void {
    this.outcome = outcome
    this.changed()
  }

  /** Brings everything that is shown up to date with the store. */
  protected async refresh(): Promise<void> {
    const { session, noema } = this
    if (session && noema) {
      this.sentences = session.sentences
      this.changed()
      try {
        this.concepts = rows(await session.concepts(), noema.info.dim)
        await this.#list(noema)
      } catch (error) {
        this.#note(error)
      }
      this.#updateReadings()
      if (!this.isRunning) void this.remembered.update(noema, session, this.concepts.slice(-mostPoints))
    }
    const estimate = await navigator.storage?.estimate().catch(() => undefined)
    this.kept = estimate?.usage ?? null
    this.changed()
  }

  async #load(sample: DocumentSentence[]): Promise<void> {
    const onProgress = (progress: Progress) => {
      this.loading = { state: 'loading', progress }
      this.changed()
    }
    this.noema?.dispose()
    const noema = await load('mini', { onProgress, onDeviceLost: () => this.say('deviceLost') })
    this.noema = noema
    const { defaultConceptModel } = noema.info
    this.setDials({ conceptModel: defaultConceptModel, ...presetOf(noema.info, defaultConceptModel, 'balanced') })
    await this.#list(noema)
    const readable = this.documents.filter(({ readable }) => readable)
    const last = readable.find(({ id }) => id === preferences.document) ?? readable[0]
    const session = await this.open(last?.id ?? newId())
    // What was opened of the sample meanwhile is this document's.
    if (!last && this.editing) this.editing.document = session.id
    if (!last) await session.append(sample.map(({ text }) => text).join(' '), { language: sample[0]?.language })
    this.loading = { state: 'ready' }
    await this.refresh()
  }

  /** One action after the other; what it throws is kept as the error to show. */
  #take(action: () => Promise<void>): Promise<void> {
    this.changed()
    const turn = this.#turn.then(async () => {
      this.error = null
      this.outcome = null
      this.newest = null
      this.trajectory = []
      this.readings.stop()
      this.remembered.stop()
      try {
        await action()
      } catch (error) {
        if (error instanceof Aborted) this.outcome = 'stopped'
        else this.#note(error)
      }
      await this.refresh()
    })
    this.#turn = turn
    return turn
  }

  /** A failed start, and an engine that has died, have a banner of their own, which offers to load the model again. */
  #note(error: unknown): void {
    if (error instanceof WorkerFailed) this.loading = { state: 'failed', error }
    else if (this.loading.state !== 'failed') this.error ??= error
  }

  async #list(noema: Noema): Promise<void> {
    const kept = await noema.documents()
    const { session } = this
    const isKept = !session || kept.some(({ id }) => id === session.id)
    const open = isKept ? [] : [{ id: session.id, title: '', beginning: '', sentences: 0, readable: true }]
    this.documents = [...open, ...kept.sort((a, b) => (a.id < b.id ? 1 : -1))]
  }

  #updateReadings(): void {
    if (this.noema) void this.readings.update(this.noema, this.sentences, this.concepts)
  }

  #sample(): DocumentSentence[] {
    const language = floresCodes[this.interfaceLanguage]
    return this.messages.sample.map((text) => ({ text, language, generated: false }))
  }
}

/** Names sort by age. */
export function newId(): string {
  return `${new Date().toISOString()} ${crypto.randomUUID()}`
}

function abortion(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(new Aborted('The call was aborted.'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
  })
}
