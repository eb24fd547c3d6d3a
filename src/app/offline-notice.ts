import { css, html, nothing } from 'lit'
import { controls } from './controls'
import { keepDraft } from './kept-draft'
import { type Offer, OfflineShell } from './offline-shell'
import { WorkspaceElement } from './workspace-element'

/** Has the page stored for offline use once its model is loaded, and offers a reload where one would bring something. */
class OfflineNotice extends WorkspaceElement {
  static override styles = [
    controls,
    css`
      div {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.5rem 1rem;
        padding: 0.5rem 1.25rem;
        border-bottom: 1px solid var(--line);
        background: var(--wash);
      }

      div:not(:has(*)) {
        display: none;
      }

      span {
        flex: 1 1 20rem;
        min-width: 0;
      }
    `,
  ]

  readonly #shell = new OfflineShell(() => {
    this.requestUpdate()
    this.workspace.set({ isShellStored: this.#shell.isStored })
  })

  override render() {
    const { offer } = this.#shell
    return html`<div role="status">${offer ? this.#offer(offer) : nothing}</div>`
  }

  override updated(): void {
    // Only now, so that what is stored for later visits does not delay this one.
    if (this.workspace.loading.state !== 'loading') void this.#shell.start()
  }

  #offer(offer: Offer) {
    const { messages } = this
    return html`
      <span>${messages.offers[offer]}</span>
      <button type="button" class="primary" @click=${this.#reload}>${messages.reload}</button>
      <button type="button" @click=${() => this.#shell.decline()}>${messages.later}</button>
    `
  }

  async #reload(): Promise<void> {
    this.workspace.stop()
    keepDraft(this.workspace)
    await this.#shell.reload()
  }
}

customElements.define('offline-notice', OfflineNotice)
