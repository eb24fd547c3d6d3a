import { css, html, nothing } from 'lit'
import './compose-box'
import './concept-map'
import { controls } from './controls'
import './dials-panel'
import './document-list'
import './loading-banner'
import './memory-panel'
import { shortLanguage } from './messages'
import './offline-notice'
import './page-header'
import './performance-strip'
import './text-view'
import { Workspace } from './workspace'
import { WorkspaceElement } from './workspace-element'

/** The whole page: documents, text, map and dials, and what holds everywhere, such as the keys. */
export class NoemaPage extends WorkspaceElement {
  static override properties = { ...WorkspaceElement.properties, showsDocuments: { state: true } }
  declare showsDocuments: boolean

  static override styles = [
    controls,
    css`
      :host {
        display: grid;
        grid-template: auto auto 1fr auto / 15rem minmax(0, 1fr) 23rem;
        grid-template-areas: 'header header header' 'banner banner banner' 'documents text side' 'strip strip strip';
        height: 100dvh;
      }

      page-header {
        grid-area: header;
      }

      .banners {
        grid-area: banner;
      }

      nav {
        grid-area: documents;
        overflow: auto;
        padding: 1.25rem 1rem;
        border-right: 1px solid var(--line);
      }

      main {
        grid-area: text;
        display: grid;
        grid-template-rows: minmax(14rem, 1fr) minmax(0, auto);
        min-height: 0;
      }

      compose-box {
        overflow: auto;
      }

      aside {
        grid-area: side;
        overflow: auto;
        padding: 1.25rem;
        border-left: 1px solid var(--line);
      }

      memory-panel,
      dials-panel {
        display: block;
        margin-top: 1.75rem;
      }

      performance-strip {
        grid-area: strip;
      }

      @media (max-width: 72rem) {
        :host {
          grid-template: auto auto auto auto auto / 14rem minmax(0, 1fr);
          grid-template-areas: 'header header' 'banner banner' 'documents text' 'documents side' 'strip strip';
          height: auto;
          min-height: 100dvh;
        }

        main {
          grid-template-rows: 1fr auto;
        }

        aside {
          border-top: 1px solid var(--line);
          border-left: 0;
        }
      }

      @media (max-width: 48rem) {
        :host {
          grid-template: auto / minmax(0, 1fr);
          grid-template-areas: 'header' 'banner' 'documents' 'text' 'side' 'strip';
        }

        nav {
          border-right: 0;
          border-bottom: 1px solid var(--line);
        }

        nav.closed {
          display: none;
        }

        aside {
          padding: 1.25rem 1rem;
        }
      }
    `,
  ]

  constructor() {
    super()
    this.workspace = new Workspace()
    this.showsDocuments = false
    this.workspace.start()
  }

  override connectedCallback(): void {
    super.connectedCallback()
    addEventListener('keydown', this.#onKey)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    removeEventListener('keydown', this.#onKey)
  }

  override render() {
    const { workspace, messages } = this
    return html`
      <page-header
        .workspace=${workspace}
        .showsDocuments=${this.showsDocuments}
        @documents-toggle=${() => {
          this.showsDocuments = !this.showsDocuments
        }}
      ></page-header>
      <div class="banners">
        <loading-banner .workspace=${workspace}></loading-banner>
        <offline-notice .workspace=${workspace}></offline-notice>
      </div>
      <nav id="documents" class=${this.showsDocuments ? 'open' : 'closed'} aria-label=${`${messages.documents}, ${messages.memory}`}>
        <document-list .workspace=${workspace}></document-list>
        <memory-panel .workspace=${workspace}></memory-panel>
      </nav>
      <main>
        <text-view .workspace=${workspace}></text-view>
        <compose-box .workspace=${workspace}></compose-box>
      </main>
      <aside aria-label=${`${messages.map}, ${messages.dials}`}>
        <concept-map .workspace=${workspace}></concept-map>
        <dials-panel .workspace=${workspace}></dials-panel>
      </aside>
      <performance-strip .workspace=${workspace}></performance-strip>
      <div class="hidden" role="log" aria-label=${messages.text}>${this.#announcement()}</div>
    `
  }

  override updated(): void {
    document.documentElement.lang = this.workspace.interfaceLanguage
    document.title = `Noema: ${this.messages.tagline}`
  }

  /** The new sentence, for those who hear the page. */
  #announcement() {
    const { sentences, newest } = this.workspace
    const sentence = newest === null ? undefined : sentences[newest]
    return sentence ? html`<p lang=${shortLanguage(sentence.language)}>${sentence.text}</p>` : nothing
  }

  readonly #onKey = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault()
      void this.workspace.continue()
    } else if (event.key === 'Escape' && !event.defaultPrevented) this.workspace.stop()
  }
}

customElements.define('noema-page', NoemaPage)
