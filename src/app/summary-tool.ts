import { css, html, nothing } from 'lit'
import { controls } from './controls'
import { folds } from './folds'
import { shortLanguage } from './messages'
import { percent } from './numbers'
import { WorkspaceElement } from './workspace-element'

/** Shares of the text, in hundredths, that are offered beside the field. */
const offered = [10, 20, 30]

/** The fold that has the model say the text in short. */
class SummaryTool extends WorkspaceElement {
  static override properties = { ...WorkspaceElement.properties, share: { state: true } }
  /** Most sentences of the summary, in hundredths of those of the text, 1 to 100. */
  declare share: number

  static override styles = [
    controls,
    folds,
    css`
      .shares {
        display: flex;
        gap: 0.25rem;
      }

      .shares button {
        padding: 0.25rem 0.5rem;
        font-size: 0.875rem;
      }

      .shares [aria-pressed='true'] {
        background: var(--wash);
        color: var(--accent);
        font-weight: 600;
      }

      .result {
        margin: 0 0 0.5rem;
        padding-left: 0.75rem;
        border-left: 2px solid var(--line);
        font: 1.0625rem / 1.5 var(--reading);
        overflow-wrap: anywhere;
      }
    `,
  ]

  constructor() {
    super()
    this.share = 20
  }

  override render() {
    const { messages, workspace } = this
    const { isRunning, canSummarize, summary, dials } = workspace
    const cannotWrite = isRunning || !canSummarize
    return html`
      <details>
        <summary>${messages.summary}</summary>
        <p class="quiet">${canSummarize ? messages.summaryMeaning : messages.summaryUnused(dials.conceptModel)}</p>
        <div class="row">
          <label>
            ${messages.summaryShare}
            <input type="number" min="1" max="100" .value=${String(this.share)} ?disabled=${!canSummarize} @change=${this.#choose} />
          </label>
          <div class="shares" role="group" aria-label=${messages.summaryShare}>
            ${offered.map(
              (share) => html`
                <button
                  type="button"
                  aria-pressed=${share === this.share}
                  aria-disabled=${!canSummarize}
                  @click=${() => canSummarize && this.#take(share)}
                >${percent(share / 100, workspace.interfaceLanguage)}</button>
              `,
            )}
          </div>
          <button type="button" aria-disabled=${cannotWrite} @click=${() => !cannotWrite && workspace.summarize(this.share / 100)}>
            ${messages.summarize}
          </button>
        </div>
        <div aria-live="polite">
          ${summary && html`<p class="result" lang=${shortLanguage(summary.language)}>${summary.sentences.join(' ')}</p>`}
        </div>
        ${
          summary && !isRunning
            ? html`<button type="button" @click=${() => workspace.openSummary()}>${messages.openSummary}</button>`
            : nothing
        }
      </details>
    `
  }

  #choose({ target }: Event): void {
    const input = target as HTMLInputElement
    this.#take(Math.min(100, Math.max(1, Math.round(input.valueAsNumber) || 1)))
    input.value = String(this.share)
  }

  #take(share: number): void {
    this.share = share
  }
}

customElements.define('summary-tool', SummaryTool)
