import { html } from 'lit'
import { floresCodes, languageName } from '../../app/messages'

/** A choice among the languages of `mini`, by FLORES-200 code. @param label said, not shown */
export function languageSelect(selected: string, label: string, onChoose: (language: string) => void) {
  return html`
    <select aria-label=${label} @change=${(event: Event) => onChoose((event.target as HTMLSelectElement).value)}>
      ${Object.values(floresCodes).map((code) => html`<option value=${code} ?selected=${code === selected}>${languageName(code, 'en')}</option>`)}
    </select>
  `
}
