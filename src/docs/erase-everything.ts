import { css, html, LitElement, nothing } from 'lit'
import { eraseEverything } from '../api'
import { controls } from '../app/controls'
import { forgetPreferences } from '../app/preferences'
import { showTheme } from '../app/theme'
import { forgetOfflinePage } from './offline-page'

type State = 'ready' | 'asking' | 'erasing' | 'erased' | Error

/** The button that erases everything, after asking once. */
class EraseEverything extends LitElement {
  static override properties = { state: { state: true } }
  declare state: State

  static override styles = [
    controls,
    css`
      :host {
        display: block;
        margin: 1.5rem 0;
        padding: 1rem;
        border: 1px solid var(--line);
        border-radius: 0.75rem;
        background: var(--surface);
      }

      p {
        margin: 0 0 0.75rem;
      }

      p:empty {
        display: none;
      }
    `,
  ]

  constructor() {
    super()
    this.state = 'ready'
  }

  override render() {
    const { state } = this
    if (state === 'asking') {
      return html`
        <p id="question">Erase all documents, the memory, models and settings from this browser?</p>
        <button type="button" class="primary" aria-describedby="question" @click=${this.#erase}>Yes, erase everything</button>
        <button type="button" @click=${() => this.#show('ready')}>Keep it</button>
      `
    }
    return html`
      <p role="status">${this.#outcome()}</p>
      ${state === 'erasing' ? nothing : html`<button type="button" @click=${() => this.#show('asking')}>Erase everything…</button>`}
    `
  }

  #outcome(): string {
    const { state } = this
    if (state === 'erasing') return 'Erasing…'
    if (state === 'erased') return 'Everything is erased.'
    return state instanceof Error ? `Not everything could be erased. ${state.message}` : ''
  }

  /** What was focused is replaced: the first button takes its place. */
  async #show(state: State): Promise<void> {
    this.state = state
    await this.updateComplete
    this.renderRoot.querySelector('button')?.focus()
  }

  async #erase(): Promise<void> {
    this.state = 'erasing'
    const outcomes = await Promise.allSettled([eraseEverything(), forgetOfflinePage(), forgetPreferences()])
    showTheme('system')
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    await this.#show(failed ? asError(failed.reason) : 'erased')
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}

customElements.define('erase-everything', EraseEverything)
