import { Chart, LinearScale, LineController, LineElement, PointElement, Tooltip } from 'chart.js'
import { type Point, project } from './projection'

Chart.register(LineController, LineElement, LinearScale, PointElement, Tooltip)

/** The plot of the text as a path of concepts; new concepts join as they come. */
export class ConceptMap {
  readonly #chart: Chart<'line', Point[]>
  #concepts: { text: string; embedding: Float32Array; isNew: boolean }[] = []
  #points: Point[] = []

  constructor(canvas: HTMLCanvasElement) {
    const style = getComputedStyle(document.documentElement)
    const color = (name: string) => resolveColor(canvas, style.getPropertyValue(name))
    const [line, text, old, fresh] = [color('--line'), color('--text'), color('--accent'), color('--new')]
    const pointColor = ({ dataIndex }: { dataIndex: number }) => (this.#concepts[dataIndex]?.isNew ? fresh : old)
    const scale = { grid: { color: line }, ticks: { display: false }, grace: '15%' } as const
    this.#chart = new Chart(canvas, {
      type: 'line',
      plugins: [{ id: 'numbers', afterDatasetsDraw: (chart) => drawNumbers(chart as Chart, text) }],
      data: {
        datasets: [
          {
            data: [],
            borderColor: line,
            pointRadius: 6,
            pointHoverRadius: 9,
            pointBackgroundColor: pointColor,
            pointBorderColor: pointColor,
          },
        ],
      },
      options: {
        maintainAspectRatio: false,
        animation: matchMedia('(prefers-reduced-motion: reduce)').matches ? false : { duration: 400 },
        scales: { x: { type: 'linear', ...scale }, y: scale },
        plugins: { tooltip: { displayColors: false, callbacks: { title: () => '', label: ({ dataIndex }) => this.#label(dataIndex) } } },
      },
    })
  }

  /** Starts a new map with the sentences of the text. */
  reset(sentences: readonly string[], embeddings: readonly Float32Array[]): void {
    this.#points = []
    this.#concepts = sentences.map((text, i) => ({ text, embedding: embeddings[i] as Float32Array, isNew: false }))
    this.#draw()
  }

  add(text: string, embedding: Float32Array): void {
    this.#concepts.push({ text, embedding, isNew: true })
    this.#draw()
  }

  #draw(): void {
    this.#points = project(
      this.#concepts.map(({ embedding }) => embedding),
      this.#points,
    )
    const [dataset] = this.#chart.data.datasets
    if (dataset) dataset.data = this.#points
    this.#chart.update()
  }

  #label(index: number): string {
    return `${index + 1}. ${this.#concepts[index]?.text ?? ''}`
  }
}

/** The sentence's number beside each point. */
function drawNumbers(chart: Chart, color: string): void {
  const { ctx } = chart
  ctx.fillStyle = color
  ctx.font = '12px system-ui, sans-serif'
  for (const [index, point] of chart.getDatasetMeta(0).data.entries()) ctx.fillText(String(index + 1), point.x + 10, point.y - 8)
}

/** Canvas colours cannot be `light-dark()`: what the browser makes of it on an element can. */
function resolveColor(canvas: HTMLCanvasElement, value: string): string {
  canvas.style.color = value
  const resolved = getComputedStyle(canvas).color
  canvas.style.color = ''
  return resolved
}
