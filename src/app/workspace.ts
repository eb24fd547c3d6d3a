import { Aborted, type DocumentSentence, load, type Noema, type Progress, type Session, WorkerFailed } from '../api'
import { continueOptions, presetOf } from './dials'
import { floresCodes } from './messages'
import { type Outcome, PageState } from './page-state'
import { preferences } from './preferences'
import { Readings } from './readings'
import { newId } from './titles'

const outcomes = { 'end-of-text': 'ended', repetition: 'repeated', 'context-full': 'full', length: null } as const

/** Steps that can be taken back. */
const mostUndo = 10

/** What the page can do. Its actions run one after the other and throw nothing: what went wrong is in `error` until the next action. */
export class Workspace extends PageState {
  readonly readings = new Readings(() => this.changed())
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

  /** Puts the draft into the document and, unless told otherwise, writes on. While the model loads it waits for it. */
  continue({ onlyAdd = false, isRemembered = false } = {}): Promise<void> {
    if (this.#running) return Promise.resolve()
    const controller = new AbortController()
    this.#running = controller
    return this.#take(async () => {
      try {
        await this.#continue(controller.signal, { onlyAdd, isRemembered })
      } finally {
        this.#running = null
      }
    })
  }

  stop(): void {
    this.#running?.abort()
  }

  /** Replaces a sentence's text; an empty one removes the sentence. */
  edit(index: number, text: string): Promise<void> {
    return this.#change(async (session) => {
      await this.#remember(session)
      await session.edit(index, text)
    })
  }

  /** Replaces a sentence and all after it by new ones, with the next seed. */
  async predictAgain(index: number): Promise<void> {
    await this.#change(async (session) => {
      await this.#remember(session)
      await session.truncate(index)
      this.setDials({ seed: this.dials.seed + 1 })
    })
    if (!this.error) await this.continue({ isRemembered: true })
  }

  undo(): Promise<void> {
    return this.#change(async (session) => {
      const file = this.#undo.at(-1)
      if (!file) return
      await session.import(file, { replace: true })
      this.#undo.pop()
      this.outcome = 'undone'
    })
  }

  /** @param id default: that of a new document */
  openDocument(id = newId()): Promise<void> {
    return this.#change(() => this.#open(id))
  }

  rename(title: string): Promise<void> {
    return this.#change((session) => session.rename(title))
  }

  /** Opens a copy of the open document. */
  duplicate(title: string): Promise<void> {
    return this.#change(async (session) => {
      const copy = await session.fork(newId())
      await copy.rename(title)
      await this.#open(copy.id)
    })
  }

  /** The open document as a file; none when it cannot be read. */
  async exportFile(): Promise<Blob | undefined> {
    return this.session?.export().catch((error) => void this.set({ error }))
  }

  /** Opens a new document with what the file holds. */
  import(file: Blob): Promise<void> {
    return this.#change(async (_, noema) => {
      const session = await noema.open(newId())
      await session.import(file)
      await this.#open(session.id)
    })
  }

  /** Forgets a document, a damaged one too, and opens the newest of the others where it was the open one. */
  forget(id: string): Promise<void> {
    return this.#change(async (session, noema) => {
      await noema.forget(id)
      if (id !== session.id) return
      await this.#list(noema)
      await this.#open(this.documents.find((document) => document.readable && document.id !== id)?.id ?? newId())
    })
  }

  async #load(sample: DocumentSentence[]): Promise<void> {
    const onProgress = (progress: Progress) => {
      this.loading = { state: 'loading', progress }
      this.changed()
    }
    this.noema?.dispose()
    const noema = await load('mini', { onProgress, onDeviceLost: () => this.#say('deviceLost') })
    this.noema = noema
    const { defaultConceptModel } = noema.info
    this.setDials({ conceptModel: defaultConceptModel, ...presetOf(noema.info, defaultConceptModel, 'balanced') })
    await this.#list(noema)
    const readable = this.documents.filter(({ readable }) => readable)
    const last = readable.find(({ id }) => id === preferences.document) ?? readable[0]
    const session = await this.#open(last?.id ?? newId())
    if (!last) await session.append(sample.map(({ text }) => text).join(' '), { language: sample[0]?.language })
    this.loading = { state: 'ready' }
    await this.#refresh()
  }

  /** One action after the other; what it throws is kept as the error to show. */
  #take(action: () => Promise<void>): Promise<void> {
    this.changed()
    const turn = this.#turn.then(async () => {
      this.error = null
      this.outcome = null
      this.newest = null
      this.readings.stop()
      try {
        await action()
      } catch (error) {
        if (error instanceof Aborted) this.outcome = 'stopped'
        else this.#note(error)
      }
      await this.#refresh()
    })
    this.#turn = turn
    return turn
  }

  #change(work: (session: Session, noema: Noema) => Promise<unknown>): Promise<void> {
    this.stop()
    return this.#take(async () => {
      await this.#ready
      if (this.session && this.noema) await work(this.session, this.noema)
    })
  }

  async #continue(signal: AbortSignal, { onlyAdd, isRemembered }: { onlyAdd: boolean; isRemembered: boolean }): Promise<void> {
    if (this.loading.state === 'loading') this.#say('waiting')
    await Promise.race([this.#ready, abortion(signal)])
    const { session, noema } = this
    if (!session || !noema) return
    if (!isRemembered) await this.#remember(session)
    if (this.draft.trim() !== '') {
      this.#say('reading')
      await session.append(this.draft, { language: this.draftLanguage, signal })
      this.draft = ''
      await this.#refresh()
    }
    if (this.sentences.length === 0) return this.#say('nothingYet')
    if (!onlyAdd) await this.#generate(session, noema, signal)
  }

  async #generate(session: Session, noema: Noema, signal: AbortSignal): Promise<void> {
    this.#say(null)
    let milliseconds = 0
    let concepts = 0
    try {
      const stream = session.continue({ ...continueOptions(noema.info, this.dials), signal })
      for (;;) {
        const { value, done } = await stream.next()
        if (done) {
          this.measured = { ...this.measured, rows: value.rows }
          this.outcome = outcomes[value.stop] ?? this.outcome
          return
        }
        milliseconds += value.timing.predict + value.timing.decode
        concepts++
        this.sentences = session.sentences
        this.newest = session.sentences.length - 1
        this.concepts = [...this.concepts, value.embedding]
        this.measured = { ...this.measured, speed: (1000 * concepts) / milliseconds }
        this.changed()
      }
    } finally {
      // A concept that was being written when the call was stopped may be in the document or not: the store knows.
      if (signal.aborted) this.session = await noema.open(session.id)
    }
  }

  /** So that what follows can be undone. */
  async #remember(session: Session): Promise<void> {
    this.#undo = [...this.#undo, await session.export()].slice(-mostUndo)
  }

  async #open(id: string): Promise<Session> {
    const session = await (this.noema as Noema).open(id)
    this.session = session
    this.#undo = []
    this.highlighted = null
    preferences.document = id
    return session
  }

  /** A failed start, and an engine that has died, have a banner of their own, which offers to load the model again. */
  #note(error: unknown): void {
    if (error instanceof WorkerFailed) this.loading = { state: 'failed', error }
    else if (this.loading.state !== 'failed') this.error ??= error
  }

  #say(outcome: Outcome | null): void {
    this.outcome = outcome
    this.changed()
  }

  async #list(noema: Noema): Promise<void> {
    const kept = await noema.documents()
    const { session } = this
    const isKept = !session || kept.some(({ id }) => id === session.id)
    const open = isKept ? [] : [{ id: session.id, title: '', beginning: '', sentences: 0, readable: true }]
    this.documents = [...open, ...kept.sort((a, b) => (a.id < b.id ? 1 : -1))]
  }

  /** Brings everything that is shown up to date with the store. */
  async #refresh(): Promise<void> {
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
    }
    this.kept = (await navigator.storage?.estimate().catch(() => undefined))?.usage ?? null
    this.changed()
  }

  #updateReadings(): void {
    if (this.noema) void this.readings.update(this.noema, this.sentences, this.concepts)
  }

  #sample(): DocumentSentence[] {
    const language = floresCodes[this.interfaceLanguage]
    return this.messages.sample.map((text) => ({ text, language, generated: false }))
  }
}

function abortion(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(new Aborted('The call was aborted.'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
  })
}

function rows(matrix: Float32Array, width: number): Float32Array[] {
  return Array.from({ length: matrix.length / width }, (_, i) => matrix.subarray(i * width, (i + 1) * width))
}
