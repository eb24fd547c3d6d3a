import { Chart, LinearScale, LineController, LineElement, PointElement, Tooltip } from 'chart.js'
import { css, html, nothing } from 'lit'
import type { RememberedConcept } from '../api'
import { controls } from './controls'
import { denoises } from './dials'
import { isStill, layers, mapOptions, memoryStyles, motion, pathStyles, pointStyles } from './map-options'
import { mapInWords } from './map-words'
import { mostPoints } from './neighbours'
import { type Point, project } from './projection'
import { watchTheme } from './theme'
import { WorkspaceElement } from './workspace-element'

Chart.register(LineController, LineElement, LinearScale, PointElement, Tooltip)

interface Drawn {
  /** Of the whole document, raw [dim] each, as all of them. */
  concepts: readonly Float32Array[]
  trajectory: readonly Float32Array[]
  neighbours: readonly RememberedConcept[]
}

/** How long the way out of noise takes to appear, in milliseconds. */
const pathDuration = 1200

/**
 * The last sentences as points in the plane, in the order of the text, with the way of the newest out of noise and the memory's sentences nearby; the
 * same is said in words under it.
 */
class ConceptMap extends WorkspaceElement {
  #chart: Chart<'line', Point[]> | undefined
  /** What was drawn last. */
  #drawn: Drawn = { concepts: [], trajectory: [], neighbours: [] }
  #points: Point[] = []
  /** Points of the way out of noise that are shown by now, and the frame that shows more. */
  #shown = 0
  #frame = 0
  #endTheme: () => void = () => undefined

  static override styles = [
    controls,
    css`
      p {
        margin: 0.25rem 0 0.75rem;
      }

      .plot {
        position: relative;
        height: 18rem;
        border: 1px solid var(--line);
        border-radius: 0.75rem;
        background: var(--surface);
        overflow: hidden;
      }

      .empty {
        position: absolute;
        inset: 0;
        display: grid;
        place-items: center;
        margin: 0;
        padding: 1rem;
        text-align: center;
      }

      .legend {
        display: flex;
        flex-wrap: wrap;
        gap: 0 1.25rem;
        margin: 0.5rem 0 0;
        padding: 0;
        list-style: none;
      }

      .legend i {
        display: inline-block;
        width: 0.6rem;
        height: 0.6rem;
        margin-right: 0.4rem;
        border-radius: 50%;
        background: var(--accent);
      }

      .legend .model i {
        border-radius: 0;
        background: var(--new);
        rotate: 45deg;
        scale: 0.85;
      }

      .legend .path i {
        width: 1.1rem;
        height: 0;
        border-bottom: 2px dotted var(--new);
        border-radius: 0;
        background: none;
        vertical-align: 0.25em;
      }

      .legend .memory i {
        border-radius: 0;
        background: var(--quiet);
        clip-path: polygon(50% 0, 100% 100%, 0 100%);
      }

      summary {
        margin-top: 0.35rem;
        cursor: pointer;
      }

      ol {
        margin: 0.5rem 0 0;
        padding: 0;
        list-style: none;
      }
    `,
  ]

  override connectedCallback(): void {
    super.connectedCallback()
    this.#endTheme = watchTheme(() => this.#restyle())
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.#endTheme()
    cancelAnimationFrame(this.#frame)
  }

  override render() {
    const { messages, workspace } = this
    const { concepts, trajectory, remembered, noema, dials } = workspace
    const count = Math.min(concepts.length, mostPoints)
    const hasSteps = !noema || denoises(noema.info, dials.conceptModel)
    return html`
      <section aria-labelledby="heading">
        <h2 id="heading">${messages.map}</h2>
        <p class="quiet">${messages.mapMeaning}</p>
        <div class="plot" @pointerleave=${() => workspace.set({ highlighted: null })}>
          <canvas role="img" aria-label=${messages.mapLabel(count)}></canvas>
          <p class="empty quiet" ?hidden=${count > 0}>${messages.mapEmpty}</p>
        </div>
        <ul class="legend quiet" role="list">
          <li><i></i>${messages.byYou}</li>
          <li class="model"><i></i>${messages.byModel}</li>
          ${trajectory.length > 0 ? html`<li class="path"><i></i>${messages.mapPath}</li>` : nothing}
          ${remembered.neighbours.length > 0 ? html`<li class="memory"><i></i>${messages.mapMemory}</li>` : nothing}
        </ul>
        ${hasSteps ? nothing : html`<p class="quiet">${messages.mapNoSteps(dials.conceptModel)}</p>`}
        <details class="quiet">
          <summary>${messages.mapInWords}</summary>
          <ol role="list">${this.#inWords()}</ol>
        </details>
      </section>
    `
  }

  override firstUpdated(): void {
    const canvas = this.renderRoot.querySelector('canvas') as HTMLCanvasElement
    this.#chart = new Chart(
      canvas,
      mapOptions(
        canvas,
        (layer, point) => this.#textOf(layer, point),
        (index) => this.#point(index),
        () => this.#first,
      ),
    )
  }

  override updated(): void {
    const { concepts, trajectory, remembered, highlighted } = this.workspace
    const { neighbours } = remembered
    const drawn = this.#drawn
    const isNew = trajectory !== drawn.trajectory
    if (isNew) this.#shown = 0
    if (isNew || concepts !== drawn.concepts || neighbours !== drawn.neighbours) this.#draw({ concepts, trajectory, neighbours })
    if (isNew) this.#reveal()
    this.#highlight(highlighted === null ? -1 : highlighted - this.#first)
  }

  /** Index of the sentence that the first point stands for. */
  get #first(): number {
    return Math.max(0, this.workspace.concepts.length - mostPoints)
  }

  #draw(content: Drawn): void {
    const { concepts, trajectory, neighbours } = content
    const drawn = this.#drawn.concepts
    const grew = drawn.length <= concepts.length && drawn.every((concept, i) => isSame(concept, concepts[i]!))
    const { points, place } = project(concepts.slice(this.#first), grew ? this.#points : [])
    this.#points = points
    this.#drawn = content
    const layer = this.#chart?.data.datasets ?? []
    layer[layers.text]!.data = points
    layer[layers.path]!.data = place(trajectory)
    layer[layers.memory]!.data = place(neighbours.map(({ embedding }) => embedding))
    this.#restyle()
  }

  #restyle(mode?: 'none'): void {
    const chart = this.#chart
    if (!chart) return
    const { canvas, data } = chart
    const generated = this.workspace.sentences.slice(this.#first).map((sentence) => sentence.generated)
    Object.assign(data.datasets[layers.text]!, pointStyles(canvas, generated))
    Object.assign(data.datasets[layers.path]!, pathStyles(canvas, this.#drawn.trajectory.length, this.#shown))
    Object.assign(data.datasets[layers.memory]!, memoryStyles(canvas))
    chart.options.animation = motion()
    chart.update(mode)
  }

  /** Shows the way out of noise step by step, or at once where no motion is wanted. */
  #reveal(): void {
    cancelAnimationFrame(this.#frame)
    const { length } = this.#drawn.trajectory
    if (length === 0) return
    const started = performance.now()
    const show = () => {
      const part = isStill() ? 1 : Math.min(1, (performance.now() - started) / pathDuration)
      const shown = Math.ceil(part * length)
      if (shown !== this.#shown) {
        this.#shown = shown
        this.#restyle('none')
      }
      if (part < 1) this.#frame = requestAnimationFrame(show)
    }
    show()
  }

  #highlight(point: number): void {
    const chart = this.#chart
    const pointed = chart?.getActiveElements()[0]
    if (!chart || (pointed?.datasetIndex === layers.text ? pointed.index === point : point < 0)) return
    const active = point >= 0 && point < this.#points.length ? [{ datasetIndex: layers.text, index: point }] : []
    chart.setActiveElements(active)
    const place = active.length > 0 ? chart.getDatasetMeta(layers.text).data[point] : undefined
    chart.tooltip?.setActiveElements(active, { x: place?.x ?? 0, y: place?.y ?? 0 })
    chart.update('none')
  }

  /** The pointer is on a point, or on none. */
  #point(point: number | undefined): void {
    const highlighted = point === undefined ? null : this.#first + point
    if (highlighted !== this.workspace.highlighted) this.workspace.set({ highlighted })
  }

  #textOf(layer: number, point: number): string {
    const { trajectory, neighbours } = this.#drawn
    if (layer === layers.path) return this.messages.mapStep(point + 1, trajectory.length)
    if (layer === layers.memory) return neighbours[point]?.text ?? ''
    return `${this.#first + point + 1}. ${this.workspace.sentences[this.#first + point]?.text ?? ''}`
  }

  #inWords() {
    const { concepts, trajectory, remembered, interfaceLanguage } = this.workspace
    const first = this.#first
    const content = { first, concepts: concepts.slice(first), trajectory, neighbours: remembered.neighbours }
    return mapInWords(content, this.messages, interfaceLanguage).map((line) => html`<li>${line}</li>`)
  }
}

function isSame(a: Float32Array, b: Float32Array): boolean {
  return a === b || a.every((value, i) => value === b[i])
}

customElements.define('concept-map', ConceptMap)
