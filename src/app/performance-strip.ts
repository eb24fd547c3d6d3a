import { css, html } from 'lit'
import { controls } from './controls'
import { bytes, decimal } from './numbers'
import { WorkspaceElement } from './workspace-element'

/** How fast it was, what it need not compute again, what is kept, and on what it runs. */
class PerformanceStrip extends WorkspaceElement {
  static override styles = [
    controls,
    css`
      dl {
        display: flex;
        flex-wrap: wrap;
        gap: 0.25rem 2rem;
        margin: 0;
        padding: 0.5rem 1.25rem;
        border-top: 1px solid var(--line);
        font-size: 0.8125rem;
        font-variant-numeric: tabular-nums;
      }

      div {
        display: flex;
        flex-wrap: wrap;
        column-gap: 0.5rem;
        min-width: 0;
      }

      dt {
        color: var(--quiet);
      }

      dd {
        margin: 0;
        min-width: 0;
        overflow-wrap: anywhere;
      }
    `,
  ]

  override render() {
    const { messages, workspace } = this
    const { measured, kept, isShellStored, noema, interfaceLanguage: language } = workspace
    const isAvailableOffline = isShellStored && noema?.info.storage.stored === true
    const { speed, rows, recalled } = measured
    const facts = [
      [messages.speed, speed === null ? messages.none : messages.conceptsPerSecond(decimal(speed, language))],
      [messages.states, rows ? messages.statesReused(rows.remembered + rows.restored, rows.computed) : messages.none],
      [messages.memory, recalled > 0 ? messages.recalledCount(recalled) : messages.none],
      [messages.kept, kept === null ? messages.none : bytes(kept, language)],
      [messages.offline, isAvailableOffline ? messages.offlineReady : messages.offlineNotYet],
      [messages.adapter, this.#adapter()],
    ]
    return html`
      <footer aria-label=${messages.performance}>
        <dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
      </footer>
    `
  }

  #adapter(): string {
    const device = this.workspace.noema?.info.device
    if (!device) return this.messages.none
    if (device.backend === 'wasm') return this.messages.processor
    return device.software ? this.messages.softwareAdapter(device.description) : device.description
  }
}

customElements.define('performance-strip', PerformanceStrip)
