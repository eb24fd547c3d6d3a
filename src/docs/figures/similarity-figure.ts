import { css, html, nothing } from 'lit'
import type { Noema } from '../../api'
import { cosine } from '../../app/neighbours'
import { languageSelect } from './language-select'
import { ModelFigure } from './model-figure'

interface Row {
  text: string
  language: string
}

/** Sentences in any language, and the cosine of every two of their concepts. */
class SimilarityFigure extends ModelFigure {
  static override properties = { ...ModelFigure.properties, rows: { state: true }, cosines: { state: true } }
  declare rows: Row[]
  /** Of every two sentences, row by row; none before the first use. */
  declare cosines: number[][]
  protected readonly action = 'Compare'

  static override styles = [
    ...ModelFigure.styles,
    css`
      td.cosine {
        padding: 0.3rem;
        font-variant-numeric: tabular-nums;
        text-align: center;
      }
    `,
  ]

  constructor() {
    super()
    this.rows = [
      { text: 'The dog is in the garden.', language: 'eng_Latn' },
      { text: 'Le chien est dans le jardin.', language: 'fra_Latn' },
      { text: 'Die Katze ist im Haus.', language: 'deu_Latn' },
      { text: '¿Cuánto cuesta el billete?', language: 'spa_Latn' },
    ]
    this.cosines = []
  }

  protected settings() {
    return html`
      ${this.rows.map(
        (row, i) => html`
          <div class="row">
            <label>
              Sentence ${i + 1}
              <input
                maxlength="200"
                required
                .value=${row.text}
                @input=${(event: InputEvent) => this.#change(i, { text: (event.target as HTMLInputElement).value })}
              />
            </label>
            ${languageSelect(row.language, `Language of sentence ${i + 1}`, (language) => this.#change(i, { language }))}
          </div>
        `,
      )}
    `
  }

  protected async run(noema: Noema): Promise<void> {
    const concepts: Float32Array[] = []
    for (const { text, language } of this.rows) concepts.push(await noema.encode([text], { language }))
    this.cosines = concepts.map((one) => concepts.map((other) => cosine(one, other)))
  }

  protected result() {
    if (this.cosines.length === 0) return nothing
    return html`
      <table>
        <thead>
          <tr>
            <th scope="col">Sentence</th>
            ${this.cosines.map((_, i) => html`<th scope="col">${i + 1}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${this.cosines.map((row, i) => html`<tr><th scope="row">${i + 1}</th>${row.map(cell)}</tr>`)}
        </tbody>
      </table>
    `
  }

  /** The cosines are those of the sentences that were compared: a changed one has none yet. */
  #change(index: number, change: Partial<Row>): void {
    this.rows = this.rows.map((row, i) => (i === index ? { ...row, ...change } : row))
    this.cosines = []
  }
}

function cell(cosine: number) {
  const share = Math.round(100 * Math.max(0, cosine) ** 2)
  return html`<td class="cosine" style="background: color-mix(in srgb, var(--wash) ${share}%, transparent)">${cosine.toFixed(2)}</td>`
}

customElements.define('similarity-figure', SimilarityFigure)
