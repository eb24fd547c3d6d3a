import { css, html, nothing } from 'lit'
import type { Progress } from '../api'
import { controls } from './controls'
import { describeError } from './errors'
import { bytes } from './numbers'
import { WorkspaceElement } from './workspace-element'

/** What is loading and how much is left, or what went wrong and what can be done about it. */
class LoadingBanner extends WorkspaceElement {
  static override styles = [
    controls,
    css`
      :host {
        display: block;
      }

      section,
      div {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.5rem 1rem;
        padding: 0.5rem 1.25rem;
        border-bottom: 1px solid var(--line);
        background: var(--wash);
      }

      .problem:not(:has(*)) {
        display: none;
      }

      .problem {
        border-left: 0.25rem solid var(--new);
        background: var(--surface);
      }

      p {
        margin: 0;
      }

      span {
        flex: 1 1 20rem;
        min-width: 0;
        overflow-wrap: anywhere;
      }

      progress {
        flex: 1 1 10rem;
        max-width: 30rem;
        height: 0.5rem;
        accent-color: var(--accent);
      }
    `,
  ]

  override render() {
    const { loading, error, readings, remembered, noema } = this.workspace
    const problem = error ?? readings.error ?? remembered.error
    return html`
      ${loading.state === 'loading' ? this.#progress(loading.progress) : nothing}
      <div role="alert" class="problem">
        ${loading.state === 'failed' ? this.#failure(loading.error) : nothing} ${problem ? this.#problem(problem) : nothing}
      </div>
      ${noema && !noema.info.storage.stored ? html`<div class="quiet" role="status">${this.messages.storageWarning}</div>` : nothing}
    `
  }

  #progress(progress: Progress | null) {
    const { messages } = this
    return html`
      <section aria-label=${messages.loading}>
        <p class="quiet">${progress ? this.#stage(progress) : messages.starting}</p>
        <progress aria-label=${messages.loading} .max=${progress?.total || 1} .value=${progress?.loaded ?? 0}></progress>
      </section>
    `
  }

  #stage({ stage, loaded, total }: Progress): string {
    const { messages, workspace } = this
    if (stage === 'compile') return messages.compile(loaded, total)
    return messages[stage](bytes(loaded, workspace.interfaceLanguage), bytes(total, workspace.interfaceLanguage))
  }

  #failure(error: unknown) {
    const { messages } = this
    return html`
      <span>${messages.loadFailed} ${describeError(error, messages)}</span>
      <button type="button" @click=${() => this.workspace.start()}>${messages.retry}</button>
    `
  }

  #problem(error: unknown) {
    const { messages, workspace } = this
    const dismiss = () => {
      workspace.readings.error = null
      workspace.remembered.error = null
      workspace.set({ error: null })
    }
    return html`
      <span>${describeError(error, messages)}</span>
      <button type="button" @click=${dismiss}>${messages.dismiss}</button>
    `
  }
}

customElements.define('loading-banner', LoadingBanner)
