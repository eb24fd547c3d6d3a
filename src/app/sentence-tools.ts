import { css, html, nothing } from 'lit'
import { controls } from './controls'
import './found-sentences'
import { WorkspaceElement } from './workspace-element'

/** What can be done with one sentence. Sends `close` when it is done; its `detail` is the index of the sentence to go on from. */
class SentenceTools extends WorkspaceElement {
  static override properties = { ...WorkspaceElement.properties, index: { attribute: false } }
  declare index: number

  static override styles = [
    controls,
    css`
      [role='group'] {
        display: flex;
        flex-wrap: wrap;
        gap: 0.25rem;
        padding: 0.3rem;
        border: 1px solid var(--line);
        border-radius: 0.65rem;
        background: var(--surface);
        box-shadow: 0 0.35rem 1.25rem rgb(0 0 0 / 0.16);
        font: 0.875rem / 1.4 system-ui, sans-serif;
      }

      section {
        flex: 1 1 100%;
        max-width: 28rem;
        padding: 0.4rem 0.5rem 0;
        border-top: 1px solid var(--line);
      }

      textarea {
        flex: 1 1 100%;
        width: 28rem;
        max-width: 100%;
        min-height: 3.5rem;
        padding: 0.4rem 0.5rem;
        field-sizing: content;
        font: 1.0625rem / 1.5 var(--reading);
      }
    `,
  ]

  override render() {
    const { messages } = this
    return html`
      <div role="group" aria-label=${messages.tools} @keydown=${this.#onKey}>${this.#isEditing ? this.#editor() : this.#tools()}</div>
    `
  }

  #tools() {
    const { messages, index, workspace } = this
    const cannotPredict = index === 0
    return html`
      <button type="button" class="plain" @click=${this.#edit}>${messages.edit}</button>
      <button
        type="button"
        class="plain"
        aria-disabled=${cannotPredict}
        title=${index === 0 ? messages.againFirst : messages.againMeaning}
        @click=${() => !cannotPredict && this.#finish(() => workspace.predictAgain(index), index - 1)}
      >
        ${messages.again}
      </button>
      <button type="button" class="plain" @click=${() => this.#finish(() => workspace.edit(index, ''), Math.max(0, index - 1))}>${messages.remove}</button>
      ${this.#origins()}
    `
  }

  #origins() {
    const { messages, workspace, index } = this
    const origins = workspace.remembered.originsOf(workspace.session?.id, workspace.sentences[index]?.text ?? '')
    if (origins.length === 0) return nothing
    return html`
      <section aria-label=${messages.recalledFor}>
        <h2>${messages.recalledFor}</h2>
        <found-sentences .workspace=${workspace} .found=${origins}></found-sentences>
      </section>
    `
  }

  #editor() {
    const { messages, workspace } = this
    return html`
      <textarea
        aria-label=${messages.editedText}
        .value=${workspace.editing?.text ?? ''}
        @input=${({ target }: Event) => this.#type((target as HTMLTextAreaElement).value)}
      ></textarea>
      <button type="button" class="primary" @click=${this.#save}>${messages.save}</button>
      <button type="button" class="plain" @click=${() => this.#finish()}>${messages.cancel}</button>
    `
  }

  get #isEditing(): boolean {
    return this.workspace.edited === this.index
  }

  async #edit(): Promise<void> {
    this.#type(this.workspace.sentences[this.index]?.text ?? '')
    await this.updateComplete
    this.find('textarea')?.focus()
  }

  #type(text: string): void {
    const { workspace, index } = this
    workspace.set({ editing: { document: workspace.session?.id, index, text } })
  }

  #save(): void {
    const { text = '' } = this.workspace.editing ?? {}
    this.#finish(() => this.workspace.edit(this.index, text))
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key === 'Escape') {
      event.preventDefault()
      this.#finish()
    } else if (event.key === 'Enter' && this.#isEditing && event.target instanceof HTMLTextAreaElement && !event.shiftKey) {
      event.preventDefault()
      event.stopPropagation()
      this.#save()
    }
  }

  #finish(action?: () => Promise<void>, next = this.index): void {
    void action?.()
    this.dispatchEvent(new CustomEvent('close', { detail: next }))
  }
}

customElements.define('sentence-tools', SentenceTools)
