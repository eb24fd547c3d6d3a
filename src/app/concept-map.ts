import { Chart, LinearScale, LineController, LineElement, PointElement, Tooltip } from 'chart.js'
import { css, html } from 'lit'
import { controls } from './controls'
import { mapOptions, pointStyles } from './map-options'
import { mostPoints, nearest } from './neighbours'
import { type Point, project } from './projection'
import { watchTheme } from './theme'
import { WorkspaceElement } from './workspace-element'

Chart.register(LineController, LineElement, LinearScale, PointElement, Tooltip)

/** The last sentences as points in the plane, in the order of the text; the same is said in words under it. */
class ConceptMap extends WorkspaceElement {
  #chart: Chart<'line', Point[]> | undefined
  #drawn: readonly Float32Array[] = []
  #points: Point[] = []
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
        gap: 1.25rem;
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
  }

  override render() {
    const { messages, workspace } = this
    const count = Math.min(workspace.concepts.length, mostPoints)
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
        </ul>
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
        (index) => this.#textOf(index),
        (index) => this.#point(index),
        () => this.#first,
      ),
    )
  }

  override updated(): void {
    const { concepts, highlighted } = this.workspace
    if (concepts !== this.#drawn) this.#draw(concepts)
    this.#highlight(highlighted === null ? -1 : highlighted - this.#first)
  }

  /** Index of the sentence that the first point stands for. */
  get #first(): number {
    return Math.max(0, this.workspace.concepts.length - mostPoints)
  }

  #draw(concepts: readonly Float32Array[]): void {
    const grew = this.#drawn.length < concepts.length && this.#drawn.every((concept, i) => concept === concepts[i])
    this.#points = project(concepts.slice(this.#first), grew ? this.#points : [])
    this.#drawn = concepts
    this.#restyle()
  }

  #restyle(): void {
    const dataset = this.#chart?.data.datasets[0]
    if (!this.#chart || !dataset) return
    const generated = this.workspace.sentences.slice(this.#first).map((sentence) => sentence.generated)
    Object.assign(dataset, pointStyles(this.#chart.canvas, generated), { data: this.#points })
    this.#chart.update()
  }

  #highlight(point: number): void {
    const chart = this.#chart
    if (!chart || chart.getActiveElements()[0]?.index === (point < 0 ? undefined : point)) return
    const active = point >= 0 && point < this.#points.length ? [{ datasetIndex: 0, index: point }] : []
    chart.setActiveElements(active)
    const place = active.length > 0 ? chart.getDatasetMeta(0).data[point] : undefined
    chart.tooltip?.setActiveElements(active, { x: place?.x ?? 0, y: place?.y ?? 0 })
    chart.update('none')
  }

  /** The pointer is on a point, or on none. */
  #point(point: number | undefined): void {
    const highlighted = point === undefined ? null : this.#first + point
    if (highlighted !== this.workspace.highlighted) this.workspace.set({ highlighted })
  }

  #textOf(point: number): string {
    return `${this.#first + point + 1}. ${this.workspace.sentences[this.#first + point]?.text ?? ''}`
  }

  #inWords() {
    const { concepts, interfaceLanguage } = this.workspace
    return nearest(concepts.slice(this.#first)).map(({ index, likeness }, i) => {
      const shown = likeness.toLocaleString(interfaceLanguage, { minimumFractionDigits: 2, maximumFractionDigits: 2 })
      return html`<li>${this.messages.mapNearest(this.#first + i + 1, this.#first + index + 1, shown)}</li>`
    })
  }
}

customElements.define('concept-map', ConceptMap)
