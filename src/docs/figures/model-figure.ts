import { css, html, LitElement, nothing, type TemplateResult } from 'lit'
import { load, type Noema, type Progress } from '../../api'
import { controls } from '../../app/controls'
import { bytes } from '../../app/numbers'

let loading: Promise<Noema> | undefined
let progress: Progress | undefined
const listeners = new Set<() => void>()

/** The model of all figures of the page, loaded at the first call; after a failure the next call tries again. */
function model(): Promise<Noema> {
  loading ??= load('mini', {
    onProgress: (latest) => {
      progress = latest
      for (const listener of listeners) listener()
    },
  }).catch((error) => {
    loading = undefined
    throw error
  })
  return loading
}

/** A figure whose button has the real model do something: the frame, the button, what is going on, and what went wrong. */
export abstract class ModelFigure extends LitElement {
  static override properties = { activity: { state: true }, error: { state: true } }
  declare activity: 'loading' | 'working' | null
  declare error: string | null

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

      form {
        display: grid;
        gap: 0.75rem;
      }

      .row {
        display: flex;
        flex-wrap: wrap;
        align-items: end;
        gap: 0.5rem 1rem;
      }

      label {
        display: grid;
        flex: 1 1 10rem;
        min-width: 0;
        gap: 0.25rem;
        font-size: 0.875rem;
      }

      button {
        justify-self: start;
      }

      p {
        margin: 0;
      }

      .error {
        border-left: 0.25rem solid var(--new);
        padding-left: 0.75rem;
      }

      svg {
        display: block;
        width: 100%;
        margin: 1rem 0 0.25rem;
      }

      table {
        width: 100%;
        border-collapse: collapse;
        font-size: 0.875rem;
      }

      th,
      td {
        padding: 0.3rem 0.5rem 0.3rem 0;
        border-bottom: 1px solid var(--line);
        text-align: left;
        font-weight: normal;
        vertical-align: top;
        overflow-wrap: break-word;
      }

      thead th {
        color: var(--quiet);
      }
    `,
  ]

  /** On the button. */
  protected abstract readonly action: string

  constructor() {
    super()
    this.activity = null
    this.error = null
  }

  override connectedCallback(): void {
    super.connectedCallback()
    listeners.add(this.#onProgress)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    listeners.delete(this.#onProgress)
  }

  override render() {
    const { activity, error } = this
    return html`
      <form @submit=${this.#submit}>
        ${this.settings()}
        <button class="primary" aria-disabled=${activity !== null}>${this.action}</button>
        <p class="quiet" role="status">${activity === 'loading' ? loadingText() : activity === 'working' ? 'Working…' : nothing}</p>
        <p role="alert" class=${error ? 'error' : nothing}>${error ?? nothing}</p>
      </form>
      ${this.result()}
    `
  }

  /** The fields above the button. */
  protected abstract settings(): TemplateResult

  /** Computes what `result` shows. */
  protected abstract run(noema: Noema): Promise<void>

  /** What was computed last; nothing before. */
  protected abstract result(): TemplateResult | typeof nothing

  readonly #onProgress = () => this.requestUpdate()

  async #submit(event: Event): Promise<void> {
    event.preventDefault()
    if (this.activity) return
    this.activity = 'loading'
    this.error = null
    try {
      const noema = await model()
      this.activity = 'working'
      await this.run(noema)
    } catch (error) {
      this.error = error instanceof Error ? error.message : String(error)
    }
    this.activity = null
  }
}

function loadingText(): string {
  if (!progress) return 'Starting…'
  const { stage, loaded, total } = progress
  if (stage === 'compile') return `Preparing the model: part ${loaded} of ${total}.`
  const amount = `${bytes(loaded, 'en')} of ${bytes(total, 'en')}`
  return stage === 'download' ? `Downloading the model: ${amount}. It is kept for the next visit.` : `Checking the model: ${amount}.`
}
