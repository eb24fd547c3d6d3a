import { css, html } from 'lit'
import { controls } from './controls'
import { folds } from './folds'
import { shortLanguage } from './messages'
import './summary-tool'
import { WorkspaceElement } from './workspace-element'

const mostPoints = 12
const mostEach = 10

/** What the model can do with the text beside continuing it: one fold a tool. */
class WritingTools extends WorkspaceElement {
  static override properties = { ...WorkspaceElement.properties, points: { state: true }, each: { state: true } }
  declare points: number
  declare each: number

  static override styles = [
    controls,
    folds,
    css`
      :host {
        display: block;
        margin-top: 0.6rem;
        font-size: 0.9375rem;
      }

      textarea {
        display: block;
        width: 100%;
        min-height: 4rem;
        max-height: 24dvh;
        margin-bottom: 0.5rem;
        padding: 0.4rem 0.6rem;
        resize: vertical;
        field-sizing: content;
        font: 1rem / 1.5 var(--reading);
      }
    `,
  ]

  constructor() {
    super()
    this.points = 3
    this.each = 2
  }

  override render() {
    return html`${this.#outline()}<summary-tool .workspace=${this.workspace}></summary-tool>`
  }

  #outline() {
    const { messages, workspace } = this
    const { isRunning: cannotWrite, outline, sentences, dials, draftLanguage } = workspace
    const language = dials.to || (sentences.at(-1)?.language ?? draftLanguage)
    return html`
      <details>
        <summary>${messages.outline}</summary>
        <p class="quiet">${messages.outlineMeaning}</p>
        <div class="row">
          ${this.#number(messages.outlinePoints, this.points, mostPoints, (points) => {
            this.points = points
          })}
          <button type="button" aria-disabled=${cannotWrite} @click=${() => !cannotWrite && workspace.writeOutline(this.points)}>
            ${messages.writeOutline}
          </button>
        </div>
        <textarea
          aria-label=${messages.outlineText}
          placeholder=${messages.outlineText}
          lang=${shortLanguage(language)}
          .value=${outline}
          @input=${({ target }: Event) => workspace.set({ outline: (target as HTMLTextAreaElement).value })}
        ></textarea>
        <div class="row">
          ${this.#number(messages.outlineEach, this.each, mostEach, (each) => {
            this.each = each
          })}
          <button type="button" aria-disabled=${cannotWrite} @click=${() => !cannotWrite && workspace.expandOutline(this.each)}>
            ${messages.expandOutline}
          </button>
        </div>
      </details>
    `
  }

  #number(label: string, value: number, most: number, onChange: (value: number) => void) {
    const choose = ({ target }: Event) => {
      const input = target as HTMLInputElement
      const fitted = Math.min(most, Math.max(1, Math.round(input.valueAsNumber) || 1))
      input.value = String(fitted)
      onChange(fitted)
    }
    return html`<label>${label}<input type="number" min="1" max=${most} .value=${String(value)} @change=${choose} /></label>`
  }
}

customElements.define('writing-tools', WritingTools)
