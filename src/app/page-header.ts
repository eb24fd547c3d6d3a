import { css, html } from 'lit'
import { controls } from './controls'
import { type InterfaceLanguage, interfaceLanguages } from './messages'
import { preferences, type Theme, themes } from './preferences'
import { showTheme } from './theme'
import { WorkspaceElement } from './workspace-element'

/** Name, promise, and what is set for the page as a whole. Asks for the documents with `documents-toggle` where there is no room for them. */
class PageHeader extends WorkspaceElement {
  static override properties = { ...WorkspaceElement.properties, showsDocuments: { attribute: false } }
  declare showsDocuments: boolean

  static override styles = [
    controls,
    css`
      header {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.5rem 1rem;
        padding: 0.75rem 1.25rem;
        border-bottom: 1px solid var(--line);
      }

      h1 {
        display: flex;
        align-items: center;
        gap: 0.5rem;
        margin: 0;
        font: 600 1.375rem / 1 var(--reading);
      }

      svg {
        width: 1.5rem;
        height: 1.5rem;
      }

      p {
        flex: 1;
        margin: 0;
        min-width: 12rem;
      }

      .settings {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.5rem;
      }

      a {
        margin-right: 0.5rem;
        color: var(--accent);
        font-size: 0.875rem;
      }

      select {
        font-size: 0.875rem;
      }

      .documents {
        display: none;
      }

      @media (max-width: 48rem) {
        header {
          padding: 0.75rem 1rem;
        }

        p {
          order: 1;
          flex-basis: 100%;
        }

        .settings {
          order: 2;
        }

        .documents {
          display: block;
          margin-left: auto;
        }
      }
    `,
  ]

  override render() {
    const { messages, workspace } = this
    return html`
      <header>
        <h1>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M4 11 11.5 4.5" stroke="var(--line)" stroke-width="1.2" />
            <circle cx="4" cy="11" r="2.4" fill="var(--accent)" />
            <circle cx="11.5" cy="4.5" r="2.9" fill="var(--new)" />
          </svg>
          Noema
        </h1>
        <p class="quiet">${messages.tagline}. ${messages.privacy}</p>
        <button
          type="button"
          class="documents"
          aria-expanded=${this.showsDocuments}
          @click=${() => this.dispatchEvent(new Event('documents-toggle'))}
        >
          ${messages.documents}
        </button>
        <div class="settings">
          <a href="./docs/index.html">${messages.documentation}</a>
          <select aria-label=${messages.interfaceLanguage} @change=${this.#chooseLanguage}>
            ${Object.keys(interfaceLanguages).map(
              (code) => html`
                <option value=${code} ?selected=${code === workspace.interfaceLanguage}>${ownName(code)}</option>
              `,
            )}
          </select>
          <select aria-label=${messages.theme} @change=${this.#chooseTheme}>
            ${themes.map((theme) => html`<option value=${theme} ?selected=${theme === preferences.theme}>${messages.themes[theme]}</option>`)}
          </select>
        </div>
      </header>
    `
  }

  #chooseLanguage({ target }: Event): void {
    const language = (target as HTMLSelectElement).value as InterfaceLanguage
    preferences.language = language
    this.workspace.set({ interfaceLanguage: language })
  }

  #chooseTheme({ target }: Event): void {
    const theme = (target as HTMLSelectElement).value as Theme
    preferences.theme = theme
    showTheme(theme)
  }
}

/** A language's name in itself, so that it is found whatever the page speaks. */
function ownName(code: string): string {
  return new Intl.DisplayNames([code], { type: 'language' }).of(code) ?? code
}

customElements.define('page-header', PageHeader)
