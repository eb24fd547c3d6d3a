import type { DocumentSentence, DocumentSummary, Noema, Progress, RowCounts, Session } from '../api'
import { type Dials, firstDials, type Preset, presetOf, summarizes } from './dials'
import { type Editing, takeDraft } from './kept-draft'
import { floresCodes, type InterfaceLanguage, interfaceLanguages, type Messages } from './messages'
import { preferences } from './preferences'

/** What the loading banner shows. */
export type Loading = { state: 'loading'; progress: Progress | null } | { state: 'ready' } | { state: 'failed'; error: unknown }

/** Keys of the messages that say what goes on in the text. */
export type Outcome =
  | 'waiting'
  | 'reading'
  | 'outlining'
  | 'summarizing'
  | 'translating'
  | 'remembering'
  | 'stopped'
  | 'ended'
  | 'repeated'
  | 'full'
  | 'nothingYet'
  | 'noOutline'
  | 'undone'
  | 'deviceLost'

/** All that the page knows, apart from how it looks. Every change of state is told by a `change` event. */
export class PageState extends EventTarget {
  interfaceLanguage: InterfaceLanguage = preferences.language
  loading: Loading = { state: 'loading', progress: null }
  noema: Noema | null = null
  /** Those kept in this browser and the open one, newest first. */
  documents: DocumentSummary[] = []
  session: Session | null = null
  /** Of the open document; on a first visit, while the model loads, the sample. */
  sentences: readonly DocumentSentence[] = []
  /** Raw concepts [dim] of the leading sentences, as far as they are known. */
  concepts: readonly Float32Array[] = []
  /** What is in the box and not yet in the document. */
  draft = ''
  /** FLORES-200 code of the draft. */
  draftLanguage: string = floresCodes[this.interfaceLanguage]
  /** The sentence that is being edited, until it is saved or left; while another document is open it waits. */
  editing: Editing | null = null
  /** Points to be expanded, one a line. */
  outline = ''
  /** The open document in short, as far as it is written, in one language (FLORES-200). */
  summary: { sentences: readonly string[]; language: string } | null = null
  dials: Dials = { ...firstDials }
  outcome: Outcome | null = null
  error: unknown = null
  /** Index of the sentence that the model wrote last, until the next action. */
  newest: number | null = null
  /** What the model took the last concept that it wrote for after each denoising step, raw [dim] each; empty where it does not denoise. */
  trajectory: readonly Float32Array[] = []
  /** Index of the sentence that the text is to be scrolled to and focused at, until it is. */
  wanted: number | null = null
  /** Index of the sentence that the pointer or the focus is on, in the text or on the map. */
  highlighted: number | null = null
  /** Concepts a second of the last continuation, where the state of the text before it came from, and how many sentences were recalled for it. */
  measured: { speed: number | null; rows: RowCounts | null; recalled: number } = { speed: null, rows: null, recalled: 0 }
  /** Bytes that the browser keeps for this site. */
  kept: number | null = null
  /** Whether the page itself is there without a network; the model is another matter. */
  isShellStored = false

  constructor() {
    super()
    Object.assign(this, takeDraft())
  }

  get messages(): Messages {
    return interfaceLanguages[this.interfaceLanguage]
  }

  /** Whether the chosen concept model has learnt to; as long as no model is there, it is believed to. */
  get canSummarize(): boolean {
    return !this.noema || summarizes(this.noema.info, this.dials.conceptModel)
  }

  /** Index of the sentence of the open document that is being edited. */
  get edited(): number | null {
    const { editing, session, sentences } = this
    return editing && editing.document === session?.id && editing.index < sentences.length ? editing.index : null
  }

  /** Tells that state has changed. */
  changed(): void {
    this.dispatchEvent(new Event('change'))
  }

  /** Changes plain state and tells. */
  set(
    state: Partial<
      Pick<PageState, 'draft' | 'draftLanguage' | 'editing' | 'outline' | 'highlighted' | 'error' | 'interfaceLanguage' | 'isShellStored'>
    >,
  ): void {
    Object.assign(this, state)
    this.changed()
  }

  setDials(dials: Partial<Dials>): void {
    this.dials = { ...this.dials, ...dials }
    this.changed()
  }

  setPreset(preset: Preset): void {
    if (this.noema) this.setDials(presetOf(this.noema.info, this.dials.conceptModel, preset))
  }
}
