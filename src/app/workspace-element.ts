import { LitElement } from 'lit'
import type { Messages } from './messages'
import { languageName } from './messages'
import type { Workspace } from './workspace'

/** A part of the page that shows the workspace's state: drawn anew whenever that changes. */
export abstract class WorkspaceElement extends LitElement {
  static override properties = { workspace: { attribute: false } }
  declare workspace: Workspace
  readonly #onChange = () => this.requestUpdate()

  override connectedCallback(): void {
    super.connectedCallback()
    this.workspace.addEventListener('change', this.#onChange)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.workspace.removeEventListener('change', this.#onChange)
  }

  protected get messages(): Messages {
    return this.workspace.messages
  }

  /** Name of a language in the language of the page. @param code FLORES-200 or BCP 47. */
  protected languageName(code: string): string {
    return languageName(code, this.workspace.interfaceLanguage)
  }

  protected find<T extends HTMLElement>(selector: string): T | null {
    return this.renderRoot.querySelector<T>(selector)
  }
}
