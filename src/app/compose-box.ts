import { css, html, nothing } from 'lit'
import { controls } from './controls'
import { floresCodes, shortLanguage } from './messages'
import { WorkspaceElement } from './workspace-element'
import './writing-tools'

/** Where the visitor writes, and the buttons that make the model write. */
class ComposeBox extends WorkspaceElement {
  static override styles = [
    controls,
    css`
      form {
        width: min(100%, 44rem);
        margin: 0 auto;
        padding: 0 1.5rem 1.25rem;
      }

      textarea {
        display: block;
        width: 100%;
        min-height: 4.5rem;
        max-height: 40dvh;
        padding: 0.6rem 0.8rem;
        resize: vertical;
        field-sizing: content;
        font: 1.0625rem / 1.5 var(--reading);
      }

      textarea::placeholder {
        color: var(--quiet);
        opacity: 1;
      }

      .row {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.5rem;
        margin-top: 0.6rem;
      }

      [role='status'] {
        min-height: 1.5em;
        margin: 0 0 0.35rem;
      }

      .continue {
        min-width: 9rem;
      }

      kbd {
        margin-left: 0.4rem;
        font: inherit;
        font-size: 0.75rem;
        font-weight: 400;
      }

      label {
        display: flex;
        align-items: center;
        gap: 0.4rem;
        margin-left: auto;
      }

      @media (max-width: 48rem) {
        form {
          padding: 0 1rem 1.25rem;
        }
      }
    `,
  ]

  override render() {
    const { messages, workspace } = this
    const { draft, draftLanguage, sentences, isRunning, canUndo, noema } = workspace
    const languages = noema?.info.languages.map(({ code }) => code) ?? Object.values(floresCodes)
    return html`
      <form @submit=${this.#continue}>
        <p role="status" class="quiet">${this.#status()}</p>
        <textarea
          aria-label=${messages.compose}
          placeholder=${sentences.length === 0 ? messages.composeFirst : messages.composeNext}
          lang=${shortLanguage(draftLanguage)}
          .value=${draft}
          @input=${({ target }: Event) => workspace.set({ draft: (target as HTMLTextAreaElement).value })}
        ></textarea>
        <div class="row">
          <button class="primary continue" type="submit" aria-disabled=${isRunning} aria-keyshortcuts="Control+Enter Meta+Enter">
            ${messages.continue}<kbd aria-hidden="true">${isApple ? '⌘' : 'Ctrl'} ↵</kbd>
          </button>
          <button type="button" aria-disabled=${!isRunning} aria-keyshortcuts="Escape" @click=${() => workspace.stop()}>
            ${messages.stop}<kbd aria-hidden="true">Esc</kbd>
          </button>
          <button type="button" class="plain" aria-disabled=${!canUndo} @click=${() => canUndo && workspace.undo()}>${messages.undo}</button>
          ${draft.trim() === '' ? nothing : html`<button type="button" @click=${() => workspace.continue({ onlyAdd: true })}>${messages.add}</button>`}
          <label class="quiet">
            ${messages.writtenIn}
            <select @change=${({ target }: Event) => workspace.set({ draftLanguage: (target as HTMLSelectElement).value })}>
              ${languages.map((code) => html`<option value=${code} ?selected=${code === draftLanguage}>${this.languageName(code)}</option>`)}
            </select>
          </label>
        </div>
        <writing-tools .workspace=${workspace}></writing-tools>
      </form>
    `
  }

  #continue(event: Event): void {
    event.preventDefault()
    void this.workspace.continue()
  }

  #status(): string {
    const { outcome, isRunning, sentences } = this.workspace
    if (outcome) return this.messages[outcome]
    return isRunning ? this.messages.thinking(sentences.length + 1) : ''
  }
}

const isApple = /Mac|iPhone|iPad/.test(navigator.userAgent)

customElements.define('compose-box', ComposeBox)
