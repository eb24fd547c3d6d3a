import type { Concept, ContinueResult, ModelInfo, Progress } from '../api'

/** How writing ended; `stopped` by the visitor or by `stop()`. */
export interface WriterDone {
  stop: ContinueResult['stop'] | 'stopped'
  /** How many sentences were written. */
  written: number
}

/** The events of the element by their names; all bubble and cross shadow roots. `input` and `change` are those of a text field. */
export interface WriterEvents {
  'noema-ready': CustomEvent<ModelInfo>
  'noema-progress': CustomEvent<Progress>
  'noema-concept': CustomEvent<Concept>
  'noema-done': CustomEvent<WriterDone>
  /** With what was thrown: mostly a `NoemaError`. */
  'noema-error': CustomEvent<unknown>
}

/** Tells the page. */
export function tell<K extends keyof WriterEvents>(element: HTMLElement, type: K, detail: WriterEvents[K]['detail']): void {
  element.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }))
}

declare global {
  interface HTMLElementEventMap extends WriterEvents {}
}
