import { css, html, nothing } from 'lit'
import { controls } from './controls'
import { applies, conceptModels, fitToDial, matchingPreset, type NumberDial, presets, ranges } from './dials'
import { WorkspaceElement } from './workspace-element'

/** How the next sentences are made: three presets, and every dial with what it does. */
class DialsPanel extends WorkspaceElement {
  static override styles = [
    controls,
    css`
      fieldset {
        display: grid;
        grid-auto-columns: 1fr;
        grid-auto-flow: column;
        margin: 0.75rem 0 0.35rem;
        padding: 0.2rem;
        border: 1px solid var(--line);
        border-radius: 0.65rem;
        background: var(--surface);
      }

      .preset {
        position: relative;
        display: grid;
        min-width: 0;
      }

      .preset input {
        position: absolute;
        inset: 0;
        margin: 0;
        opacity: 0;
        cursor: pointer;
      }

      .preset span {
        padding: 0.35rem 0.25rem;
        border-radius: 0.5rem;
        font-size: 0.875rem;
        text-align: center;
      }

      .preset :checked + span {
        background: var(--wash);
        color: var(--accent);
        font-weight: 600;
      }

      .preset :focus-visible + span {
        outline: 2px solid var(--accent);
        outline-offset: 1px;
      }

      .dial {
        display: grid;
        grid-template-columns: minmax(0, 1fr) 6rem;
        gap: 0 0.75rem;
        align-items: center;
        padding: 0.55rem 0;
        border-bottom: 1px solid var(--line);
      }

      .dial:has(select) {
        grid-template-columns: minmax(0, 1fr) 10rem;
      }

      .dial label {
        font-size: 0.9375rem;
      }

      .dial p {
        grid-column: 1 / -1;
        margin: 0.1rem 0 0;
        font-size: 0.8125rem;
      }

      p {
        margin: 0.35rem 0 0.5rem;
      }

      input,
      select {
        width: 100%;
        font-size: 0.9375rem;
        font-variant-numeric: tabular-nums;
      }
    `,
  ]

  override render() {
    const { messages, workspace } = this
    const { noema, dials } = workspace
    const chosen = noema ? matchingPreset(noema.info, dials) : undefined
    return html`
      <section aria-labelledby="heading">
        <h2 id="heading">${messages.dials}</h2>
        <fieldset ?disabled=${!noema} aria-label=${messages.preset} aria-describedby="preset-meaning">
          ${presets.map(
            (preset) => html`
              <label class="preset">
                <input type="radio" name="preset" .checked=${preset === chosen} @change=${() => workspace.setPreset(preset)} />
                <span>${messages.presets[preset]}</span>
              </label>
            `,
          )}
        </fieldset>
        <p id="preset-meaning" class="quiet">${messages.presetMeaning}</p>
        ${this.#languages()} ${Object.keys(ranges).map((name) => this.#number(name as NumberDial))} ${this.#conceptModel()}
      </section>
    `
  }

  #number(name: NumberDial) {
    const { messages, workspace } = this
    const { noema, dials } = workspace
    const [label, meaning] = messages.dial[name]
    const { min, max, step } = ranges[name]
    const unused = name === 'temperature' ? messages.temperatureUnused : messages.dialUnused
    const isUnused = noema !== null && !applies(noema.info, dials.conceptModel, name)
    // On Enter too: the page goes on with Control+Enter from wherever the focus is, and that is no change yet.
    const choose = ({ target }: Event) => {
      const input = target as HTMLInputElement
      const value = fitToDial(name, input.valueAsNumber)
      input.value = String(value)
      workspace.setDials({ [name]: value })
    }
    return html`
      <div class="dial">
        <label for=${name}>${label}</label>
        <input
          id=${name}
          type="number"
          min=${min}
          max=${max}
          step=${step}
          .value=${String(dials[name])}
          ?disabled=${isUnused}
          aria-describedby=${`${name}-meaning`}
          @change=${choose}
          @keydown=${(event: KeyboardEvent) => event.key === 'Enter' && choose(event)}
        />
        <p id=${`${name}-meaning`} class="quiet">${isUnused ? unused(dials.conceptModel) : meaning}</p>
      </div>
    `
  }

  #languages() {
    const { messages, workspace } = this
    const codes = workspace.noema?.info.languages.map(({ code }) => code) ?? []
    return this.#select('to', workspace.dials.to, [
      ['', messages.sameLanguage],
      ...codes.map((code): [string, string] => [code, this.languageName(code)]),
    ])
  }

  #conceptModel() {
    const { dials, noema } = this.workspace
    if (!noema) return nothing
    return this.#select(
      'conceptModel',
      dials.conceptModel,
      conceptModels(noema.info).map((name) => [name, name]),
    )
  }

  #select(name: 'to' | 'conceptModel', chosen: string, options: [value: string, label: string][]) {
    const { messages, workspace } = this
    const [label, meaning] = messages.dial[name]
    const choose = ({ target }: Event) => {
      workspace.setDials({ [name]: (target as HTMLSelectElement).value })
      if (name === 'conceptModel') workspace.setPreset('balanced')
    }
    return html`
      <div class="dial">
        <label for=${name}>${label}</label>
        <select id=${name} aria-describedby=${`${name}-meaning`} @change=${choose}>
          ${options.map(([value, text]) => html`<option value=${value} ?selected=${value === chosen}>${text}</option>`)}
        </select>
        <p id=${`${name}-meaning`} class="quiet">${meaning}</p>
      </div>
    `
  }
}

customElements.define('dials-panel', DialsPanel)
