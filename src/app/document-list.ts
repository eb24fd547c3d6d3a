import { css, html, nothing } from 'lit'
import { repeat } from 'lit/directives/repeat.js'
import type { DocumentSummary } from '../api'
import { controls } from './controls'
import { PageError } from './errors'
import { rove } from './roving'
import { titleOf } from './titles'
import { WorkspaceElement } from './workspace-element'

const largestFile = 64e6

/** The documents kept in this browser, and what can be done with them. */
class DocumentList extends WorkspaceElement {
  static override properties = { ...WorkspaceElement.properties, isRenaming: { state: true }, doomed: { state: true } }
  declare isRenaming: boolean
  /** The document that the visitor is asked about before it is deleted. */
  declare doomed: DocumentSummary | null

  static override styles = [
    controls,
    css`
      .head,
      .tools {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.35rem;
      }

      h2 {
        flex: 1 1 100%;
        margin-bottom: 0.25rem;
      }

      .head {
        margin-bottom: 1rem;
        font-size: 0.875rem;
      }

      ul {
        margin: 0;
        padding: 0;
        list-style: none;
      }

      .document {
        display: block;
        width: 100%;
        padding: 0.5rem 0.65rem;
        border-color: transparent;
        background: none;
        text-align: left;
        overflow-wrap: anywhere;
      }

      .document[aria-current] {
        border-color: var(--line);
        background: var(--surface);
      }

      .name {
        display: block;
        font: 1rem / 1.35 var(--reading);
      }

      .tools {
        gap: 0;
        margin: 0.1rem 0 0.6rem;
        font-size: 0.8125rem;
      }

      .tools button {
        padding: 0.25rem 0.5rem;
        color: var(--quiet);
      }

      .tools button:hover,
      .tools button:focus-visible {
        color: var(--text);
      }

      form {
        display: flex;
        flex-wrap: wrap;
        gap: 0.35rem;
        margin: 0.35rem 0 0.75rem;
        font-size: 0.875rem;
      }

      input {
        flex: 1 1 100%;
      }

      dialog {
        max-width: min(26rem, calc(100vw - 2rem));
        padding: 1.25rem;
        border: 1px solid var(--line);
        border-radius: 0.75rem;
        background: var(--surface);
        color: var(--text);
        overflow-wrap: anywhere;
      }

      dialog::backdrop {
        background: rgb(0 0 0 / 0.4);
      }

      dialog p {
        margin: 0 0 0.75rem;
      }
    `,
  ]

  constructor() {
    super()
    this.isRenaming = false
    this.doomed = null
  }

  override render() {
    const { messages, workspace } = this
    const { documents } = workspace
    return html`
      <div class="head">
        <h2>${messages.documents}</h2>
        <button type="button" @click=${() => workspace.openDocument()}>${messages.newDocument}</button>
        <button type="button" @click=${() => this.find('input[type=file]')?.click()}>${messages.importFile}</button>
        <input type="file" hidden accept=".json,application/json" aria-label=${messages.chooseFile} @change=${this.#import} />
      </div>
      <ul role="list" @keydown=${this.#onKey}>
        ${repeat(
          documents,
          ({ id }) => id,
          (document, index) => this.#document(document, index),
        )}
      </ul>
      <dialog aria-labelledby="question" @close=${this.#decide}>
        <form method="dialog">
          <p id="question"><strong>${this.doomed ? messages.deleteQuestion(this.#title(this.doomed)) : nothing}</strong></p>
          <p class="quiet">${messages.deleteMeaning}</p>
          <button value="cancel">${messages.cancel}</button>
          <button value="delete" class="primary">${messages.delete}</button>
        </form>
      </dialog>
    `
  }

  #document(document: DocumentSummary, index: number) {
    const { messages, workspace } = this
    const isOpen = document.id === workspace.session?.id
    const openIndex = workspace.documents.findIndex(({ id }) => id === workspace.session?.id)
    const open = () =>
      document.readable ? workspace.openDocument(document.id) : workspace.set({ error: new PageError(messages.openFailed) })
    return html`
      <li>
        <button
          type="button"
          class="document"
          data-index=${index}
          tabindex=${index === Math.max(0, openIndex) ? 0 : -1}
          aria-current=${isOpen || nothing}
          @click=${open}
        >
          <span class="name">${this.#title(document)}</span>
          <span class="quiet">${document.readable ? messages.sentenceCount(document.sentences) : messages.damaged}</span>
        </button>
        ${isOpen ? this.#tools(document) : nothing}
        ${document.readable ? nothing : html`<div class="tools">${this.#deleteButton(document)}</div>`}
      </li>
    `
  }

  #tools(document: DocumentSummary) {
    const { messages, workspace } = this
    if (this.isRenaming) {
      return html`
        <form @submit=${this.#rename} @keydown=${this.#onRenameKey}>
          <input name="title" aria-label=${messages.title} maxlength="200" .value=${this.#title(document)} />
          <button type="submit">${messages.save}</button>
          <button type="button" class="plain" @click=${this.#endRenaming}>${messages.cancel}</button>
        </form>
      `
    }
    return html`
      <div class="tools">
        <button type="button" class="plain" @click=${this.#startRenaming}>${messages.rename}</button>
        <button type="button" class="plain" @click=${() => workspace.duplicate(messages.copyOf(this.#title(document)).slice(0, 200))}>
          ${messages.duplicate}
        </button>
        <button type="button" class="plain" @click=${() => this.#export(document)}>${messages.exportFile}</button>
        ${this.#deleteButton(document)}
      </div>
    `
  }

  #deleteButton(document: DocumentSummary) {
    const ask = async () => {
      this.doomed = document
      await this.updateComplete
      this.find<HTMLDialogElement>('dialog')?.showModal()
    }
    return html`<button type="button" class="plain" @click=${ask}>${this.messages.delete}</button>`
  }

  #title({ title, beginning }: DocumentSummary): string {
    return titleOf(title, beginning, this.messages)
  }

  async #decide({ target }: Event): Promise<void> {
    const dialog = target as HTMLDialogElement
    const isDecided = dialog.returnValue === 'delete'
    dialog.returnValue = ''
    if (!isDecided || !this.doomed) return
    await this.workspace.forget(this.doomed.id)
    await this.updateComplete
    this.find('[aria-current]')?.focus()
  }

  async #startRenaming(): Promise<void> {
    this.isRenaming = true
    await this.updateComplete
    this.find<HTMLInputElement>('[name=title]')?.select()
  }

  async #endRenaming(): Promise<void> {
    this.isRenaming = false
    await this.updateComplete
    this.find('[aria-current]')?.focus()
  }

  #rename(event: SubmitEvent): void {
    event.preventDefault()
    void this.workspace.rename(this.find<HTMLInputElement>('[name=title]')?.value ?? '')
    void this.#endRenaming()
  }

  #onRenameKey(event: KeyboardEvent): void {
    if (event.key !== 'Escape') return
    event.preventDefault()
    void this.#endRenaming()
  }

  async #export(document: DocumentSummary): Promise<void> {
    const file = await this.workspace.exportFile()
    if (!file) return
    const link = Object.assign(window.document.createElement('a'), {
      href: URL.createObjectURL(file),
      download: `${
        this.#title(document)
          .replace(/[^\p{L}\p{N} _-]+/gu, '')
          .trim() || 'noema'
      }.json`,
    })
    link.click()
    // The browser reads it after the click.
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
  }

  #import({ target }: Event): void {
    const input = target as HTMLInputElement
    const [file] = input.files ?? []
    if (file && file.size > largestFile) this.workspace.set({ error: new PageError(this.messages.fileTooLarge) })
    else if (file) void this.workspace.import(file)
    input.value = ''
  }

  #onKey(event: KeyboardEvent): void {
    const { index } = (event.target as HTMLElement).dataset
    const next = index === undefined ? undefined : rove(event.key, Number(index), this.workspace.documents.length)
    if (next === undefined) return
    event.preventDefault()
    this.find(`[data-index="${next}"]`)?.focus()
  }
}

customElements.define('document-list', DocumentList)
