import { css, html, nothing } from 'lit'
import { controls } from './controls'
import './found-sentences'
import { floresCodes, shortLanguage } from './messages'
import { WorkspaceElement } from './workspace-element'

/** The memory across documents: whether the open one is in it, and a search by meaning. */
class MemoryPanel extends WorkspaceElement {
  static override properties = { ...WorkspaceElement.properties, language: { state: true }, isSearching: { state: true } }
  /** FLORES-200 code of what is searched for; by default, the language of the page. */
  declare language: string | null
  declare isSearching: boolean

  static override styles = [
    controls,
    css`
      label {
        display: flex;
        align-items: baseline;
        gap: 0.5rem;
        margin-top: 0.6rem;
        font-size: 0.9375rem;
      }

      p {
        margin: 0.25rem 0 0.5rem;
        font-size: 0.8125rem;
      }

      form {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        gap: 0.35rem;
        margin: 0.75rem 0 0.35rem;
        font-size: 0.875rem;
      }

      input[type='search'] {
        grid-column: 1 / -1;
      }

      button.plain {
        padding: 0.25rem 0;
        color: var(--accent);
        font-size: 0.8125rem;
        text-align: left;
      }
    `,
  ]

  constructor() {
    super()
    this.language = null
    this.isSearching = false
  }

  override render() {
    const { messages, workspace } = this
    const { session, remembered, documents, noema } = workspace
    const languages = noema?.info.languages.map(({ code }) => code) ?? Object.values(floresCodes)
    return html`
      <section aria-labelledby="heading">
        <h2 id="heading">${messages.memory}</h2>
        <label>
          <input
            type="checkbox"
            .checked=${session?.remembered ?? false}
            ?disabled=${!session}
            aria-describedby="remember-meaning"
            @change=${this.#remember}
          />
          ${messages.remember}
        </label>
        <p id="remember-meaning" class="quiet">${messages.rememberMeaning}</p>
        ${
          documents.length > 1
            ? html`<button type="button" class="plain" @click=${() => workspace.rememberAll()}>${messages.rememberAll}</button>`
            : nothing
        }
        <form role="search" aria-label=${messages.searchMemory} @submit=${this.#search}>
          <input type="search" required aria-label=${messages.searchMemory} placeholder=${messages.searchMemory} lang=${shortLanguage(this.#searchLanguage)} />
          <select aria-label=${messages.searchLanguage} @change=${this.#chooseLanguage}>
            ${languages.map(
              (code) => html`<option value=${code} ?selected=${code === this.#searchLanguage}>${this.languageName(code)}</option>`,
            )}
          </select>
          <button type="submit" aria-disabled=${!noema || this.isSearching}>${messages.search}</button>
        </form>
        <p aria-live="polite" class="quiet">${this.#status()}</p>
        ${remembered.found ? html`<found-sentences .workspace=${workspace} .found=${remembered.found}></found-sentences>` : nothing}
      </section>
    `
  }

  get #searchLanguage(): string {
    return this.language ?? floresCodes[this.workspace.interfaceLanguage]
  }

  #status(): string {
    const { found, size } = this.workspace.remembered
    if (this.isSearching) return this.messages.reading
    if (found?.length === 0) return this.messages.nothingFound
    return size === null ? '' : this.messages.rememberedCount(size)
  }

  /** Where it fails, the box says again what holds. */
  async #remember({ target }: Event): Promise<void> {
    const box = target as HTMLInputElement
    await this.workspace.remember(box.checked)
    box.checked = this.workspace.session?.remembered ?? false
  }

  #chooseLanguage({ target }: Event): void {
    this.language = (target as HTMLSelectElement).value
  }

  async #search(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const { noema, remembered } = this.workspace
    const query = this.find<HTMLInputElement>('[type=search]')?.value ?? ''
    if (!noema || this.isSearching) return
    this.isSearching = true
    await remembered.search(noema, query, this.#searchLanguage)
    this.isSearching = false
  }
}

customElements.define('memory-panel', MemoryPanel)
