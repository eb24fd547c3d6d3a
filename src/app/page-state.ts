import type { DocumentSentence, DocumentSummary, Noema, Progress, RowCounts, Session } from '../api'
import { type Dials, firstDials, type Preset, presetOf } from './dials'
import { floresCodes, type InterfaceLanguage, interfaceLanguages, type Messages } from './messages'
import { preferences } from './preferences'

/** What the loading banner shows. */
export type Loading = { state: 'loading'; progress: Progress | null } | { state: 'ready' } | { state: 'failed'; error: unknown }

/** Keys of the messages that say what goes on in the text. */
export type Outcome = 'waiting' | 'reading' | 'stopped' | 'ended' | 'repeated' | 'full' | 'nothingYet' | 'undone' | 'deviceLost'

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
  dials: Dials = { ...firstDials }
  outcome: Outcome | null = null
  error: unknown = null
  /** Index of the sentence that the model wrote last, until the next action. */
  newest: number | null = null
  /** Index of the sentence that the pointer or the focus is on, in the text or on the map. */
  highlighted: number | null = null
  /** Concepts a second of the last continuation, and where the state of the text before it came from. */
  measured: { speed: number | null; rows: RowCounts | null } = { speed: null, rows: null }
  /** Bytes that the browser keeps for this site. */
  kept: number | null = null

  get messages(): Messages {
    return interfaceLanguages[this.interfaceLanguage]
  }

  /** Tells that state has changed. */
  changed(): void {
    this.dispatchEvent(new Event('change'))
  }

  /** Changes plain state and tells. */
  set(state: Partial<Pick<PageState, 'draft' | 'draftLanguage' | 'highlighted' | 'error' | 'interfaceLanguage'>>): void {
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
