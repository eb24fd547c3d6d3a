import { css, html } from 'lit'
import type { RememberedConcept } from '../api'
import { controls } from './controls'
import { shortLanguage } from './messages'
import { likeness } from './numbers'
import { titleOf } from './titles'
import { WorkspaceElement } from './workspace-element'

/** Remembered sentences with where they come from; one of a document leads there. */
class FoundSentences extends WorkspaceElement {
  static override properties = { ...WorkspaceElement.properties, found: { attribute: false } }
  declare found: readonly RememberedConcept[]

  static override styles = [
    controls,
    css`
      ul {
        margin: 0;
        padding: 0;
        list-style: none;
      }

      button,
      .note {
        display: block;
        width: 100%;
        padding: 0.4rem 0.5rem;
        border-color: transparent;
        background: none;
        text-align: left;
        overflow-wrap: anywhere;
      }

      .text {
        display: block;
        font: 1rem / 1.35 var(--reading);
      }

      .quiet {
        display: block;
        font-size: 0.8125rem;
      }
    `,
  ]

  override render() {
    return html`<ul role="list">${this.found.map((sentence) => html`<li>${this.#sentence(sentence)}</li>`)}</ul>`
  }

  #sentence({ text, language, score, source }: RememberedConcept) {
    const { messages, workspace } = this
    const document = workspace.documents.find(({ id }) => source.kind === 'document' && id === source.id)
    const title = document ? titleOf(document.title, document.beginning, messages) : messages.notes
    const content = html`
      <span class="text" lang=${shortLanguage(language)}>${text}</span>
      <span class="quiet">${messages.foundIn(source.index + 1, title, likeness(score, workspace.interfaceLanguage))}</span>
    `
    if (!document) return html`<div class="note">${content}</div>`
    return html`<button type="button" @click=${() => workspace.openSentence(source.id, source.index)}>${content}</button>`
  }
}

customElements.define('found-sentences', FoundSentences)
