import { html, nothing, svg } from 'lit'
import type { Concept, Noema } from '../../api'
import { cosine } from '../../app/neighbours'
import { type Point, project } from '../../app/projection'
import { ModelFigure } from './model-figure'

/** What can be changed, with the range of each. */
const dials = {
  steps: { label: 'Denoising steps', min: 2, max: 30, step: 1 },
  guidance: { label: 'Guidance', min: 0, max: 10, step: 0.5 },
  seed: { label: 'Seed', min: 0, max: 99, step: 1 },
}

type Dial = keyof typeof dials

interface Way {
  /** Of the text's sentences. */
  context: Point[]
  /** The concept after each step. */
  steps: Point[]
  /** The steps that are put into words. */
  told: { step: number; likeness: number; text: string }[]
}

/** Steps that are put into words, at most. */
const mostTold = 5
const [width, height, margin] = [320, 200, 14]

/** The way of a Two-Tower concept from noise to a sentence, under settings that can be changed. */
class DenoisingFigure extends ModelFigure {
  static override properties = { ...ModelFigure.properties, text: { state: true }, dials: { state: true }, way: { state: true } }
  declare text: string
  declare dials: Record<Dial, number>
  declare way: Way | null
  protected readonly action = 'Denoise'

  constructor() {
    super()
    this.text = 'Once upon a time there was a little girl. She lived near a big forest.'
    this.dials = { steps: 10, guidance: 1, seed: 1 }
    this.way = null
  }

  protected settings() {
    return html`
      <label>
        Text so far, in English
        <input
          required
          .value=${this.text}
          @input=${(event: InputEvent) => {
            this.text = (event.target as HTMLInputElement).value
          }}
        />
      </label>
      <div class="row">${Object.keys(dials).map((name) => this.#dial(name as Dial))}</div>
    `
  }

  protected async run(noema: Noema): Promise<void> {
    const conceptModel = Object.entries(noema.info.conceptModels).find(([, { family }]) => family === 'two_tower')?.[0]
    const options = { ...this.dials, conceptModel, concepts: 1, trajectory: true }
    let concept: Concept | undefined
    for await (const next of noema.continue(this.text, options)) concept = next
    if (!concept?.trajectory) throw new Error('With these settings the model ends the text here: try another seed.')
    const steps = rows(concept.trajectory, noema.info.dim)
    const context = rows(await noema.encode(await noema.split(this.text)), noema.info.dim)
    const { points } = project([...context, ...steps], [])
    const shown = evenly(steps.length, mostTold)
    const told = []
    for (const step of shown) {
      const [text = ''] = await noema.decode(steps[step]!, { beam: 1 })
      told.push({ step: step + 1, likeness: cosine(steps[step]!, concept.embedding), text })
    }
    this.way = { context: points.slice(0, context.length), steps: points.slice(context.length), told }
  }

  protected result() {
    if (!this.way) return nothing
    const { told } = this.way
    return html`
      ${this.#map(this.way)}
      <p class="quiet">Circles: the sentences of the text. Path: the concept, from its first guess to the ringed point.</p>
      <table>
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col">Likeness to the last</th>
            <th scope="col">In words</th>
          </tr>
        </thead>
        <tbody>
          ${told.map(({ step, likeness, text }) => html`<tr><td>${step}</td><td>${likeness.toFixed(2)}</td><td>${text}</td></tr>`)}
        </tbody>
      </table>
    `
  }

  #dial(name: Dial) {
    const { label, ...range } = dials[name]
    return html`
      <label>
        ${label}: ${this.dials[name]}
        <input
          type="range"
          min=${range.min}
          max=${range.max}
          step=${range.step}
          .value=${String(this.dials[name])}
          @input=${(event: InputEvent) => {
            this.dials = { ...this.dials, [name]: (event.target as HTMLInputElement).valueAsNumber }
          }}
        />
      </label>
    `
  }

  #map({ context, steps }: Way) {
    const place = placement([...context, ...steps])
    const path = steps.map(place)
    const last = path.at(-1)!
    return html`
      <svg viewBox="0 0 ${width} ${height}" role="img" aria-label=${`The way of the concept over ${steps.length} steps; the table below tells it in words.`}>
        ${context.map(place).map(({ x, y }) => svg`<circle cx=${x} cy=${y} r="5" fill="var(--accent)" />`)}
        ${svg`<polyline points=${path.map(({ x, y }) => `${x},${y}`).join(' ')} fill="none" stroke="var(--quiet)" />`}
        ${path.map(({ x, y }) => svg`<circle class="step" cx=${x} cy=${y} r="3" fill="var(--new)" />`)}
        ${svg`<circle cx=${last.x} cy=${last.y} r="7" fill="none" stroke="var(--new)" stroke-width="1.5" />`}
      </svg>
    `
  }
}

/** @param values [n, dim] */
function rows(values: Float32Array, dim: number): Float32Array[] {
  return Array.from({ length: values.length / dim }, (_, i) => values.subarray(i * dim, (i + 1) * dim))
}

/** At most `most` of the indices below `count`, the first and the last among them. */
function evenly(count: number, most: number): number[] {
  const shown = Math.min(count, most)
  return Array.from({ length: shown }, (_, i) => Math.round((i * (count - 1)) / Math.max(1, shown - 1)))
}

/** Where a point lies in the drawing, with one scale for both directions. */
function placement(points: readonly Point[]): (point: Point) => Point {
  const [left, right] = [Math.min(...points.map(({ x }) => x)), Math.max(...points.map(({ x }) => x))]
  const [low, high] = [Math.min(...points.map(({ y }) => y)), Math.max(...points.map(({ y }) => y))]
  const scale = Math.min((width - 2 * margin) / (right - left || 1), (height - 2 * margin) / (high - low || 1))
  const at = (value: number, from: number, to: number, size: number) => Number(((value - (from + to) / 2) * scale + size / 2).toFixed(2))
  return ({ x, y }) => ({ x: at(x, left, right, width), y: height - at(y, low, high, height) })
}

customElements.define('denoising-figure', DenoisingFigure)
