import { html, nothing, svg } from 'lit'
import type { Noema } from '../../api'
import { shortLanguage } from '../../app/messages'
import { languageSelect } from './language-select'
import { ModelFigure } from './model-figure'

interface RoundTrip {
  /** [dim] */
  concept: Float32Array
  /** The concept in words, in each language of the model. */
  decoded: { name: string; code: string; text: string }[]
}

/** A sentence, its concept drawn number by number, and what the decoder makes of it in every language. */
class RoundTripFigure extends ModelFigure {
  static override properties = { ...ModelFigure.properties, text: { state: true }, language: { state: true }, shown: { state: true } }
  declare text: string
  declare language: string
  declare shown: RoundTrip | null
  protected readonly action = 'Encode and decode'

  constructor() {
    super()
    this.text = 'The dog is in the garden.'
    this.language = 'eng_Latn'
    this.shown = null
  }

  protected settings() {
    return html`
      <div class="row">
        <label>
          Sentence
          <input
            maxlength="200"
            required
            .value=${this.text}
            @input=${(event: InputEvent) => {
              this.text = (event.target as HTMLInputElement).value
            }}
          />
        </label>
        ${languageSelect(this.language, 'Language of the sentence', (language) => {
          this.language = language
        })}
      </div>
    `
  }

  protected async run(noema: Noema): Promise<void> {
    const concept = await noema.encode([this.text], { language: this.language })
    const decoded = []
    for (const { code, name } of noema.info.languages) {
      const [text = ''] = await noema.decode(concept, { language: code })
      decoded.push({ code, name, text })
    }
    this.shown = { concept, decoded }
  }

  protected result() {
    if (!this.shown) return nothing
    const { concept, decoded } = this.shown
    const largest = concept.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    const bars = Array.from(concept, (value, i) => `M${i + 0.5} 24V${(24 - (22 * value) / largest).toFixed(2)}`).join('')
    return html`
      <svg
        viewBox="0 0 ${concept.length} 48"
        preserveAspectRatio="none"
        height="64"
        role="img"
        aria-label=${`The concept: ${concept.length} numbers between ${-largest.toFixed(2)} and ${largest.toFixed(2)}`}
      >
        ${svg`<path d=${bars} stroke="var(--accent)" stroke-width="0.7" />`}
      </svg>
      <p class="quiet">The concept: ${concept.length} numbers.</p>
      <table>
        <tbody>
          ${decoded.map(({ code, name, text }) => html`<tr><th scope="row">${name}</th><td lang=${shortLanguage(code)}>${text}</td></tr>`)}
        </tbody>
      </table>
    `
  }
}

customElements.define('round-trip-figure', RoundTripFigure)
