import type { Chart, ChartConfiguration } from 'chart.js'
import type { Point } from './projection'

/** What the chart's datasets are, in their order; the first is drawn on top. */
export const layers = { text: 0, path: 1, memory: 2 } as const

/**
 * How the concept map is drawn: a line through the text's points, with the sentence's number beside each; the way of the newest concept out of noise;
 * and what the memory has nearby.
 *
 * @param textOf what is said of a point of a layer
 * @param onPoint told of the text's point under the pointer, if there is one
 * @param first index of the sentence that the first point stands for
 */
export function mapOptions(
  canvas: HTMLCanvasElement,
  textOf: (layer: number, point: number) => string,
  onPoint: (point: number | undefined) => void,
  first: () => number,
): ChartConfiguration<'line', Point[]> {
  const scale = { display: false, grace: '18%' } as const
  const drawNumbers = (chart: Chart) => {
    const { ctx } = chart
    ctx.fillStyle = colorOf(canvas, '--quiet')
    ctx.font = '600 11px system-ui, sans-serif'
    for (const [i, { x, y }] of chart.getDatasetMeta(layers.text).data.entries()) ctx.fillText(String(first() + i + 1), x + 9, y - 7)
  }
  return {
    type: 'line',
    plugins: [{ id: 'numbers', afterDatasetsDraw: (chart) => drawNumbers(chart as Chart) }],
    data: {
      datasets: [
        { data: [], tension: 0.25, borderWidth: 1.5, pointRadius: 5, pointHoverRadius: 9, pointHitRadius: 8 },
        { data: [], borderWidth: 1.5, borderDash: [2, 4], pointHitRadius: 2 },
        { data: [], showLine: false, pointStyle: 'triangle', pointRadius: 5, pointHoverRadius: 8, pointHitRadius: 4 },
      ],
    },
    options: {
      maintainAspectRatio: false,
      animation: motion(),
      interaction: { mode: 'nearest', intersect: true },
      onHover: (_, elements) => onPoint(elements.find(({ datasetIndex }) => datasetIndex === layers.text)?.index),
      scales: { x: { type: 'linear', ...scale }, y: scale },
      plugins: {
        tooltip: {
          displayColors: false,
          caretPadding: 10,
          backgroundColor: () => colorOf(canvas, '--text'),
          callbacks: {
            title: () => '',
            label: ({ datasetIndex, dataIndex }) => folded(textOf(datasetIndex, dataIndex)),
            labelTextColor: () => colorOf(canvas, '--surface'),
          },
        },
      },
    },
  }
}

/** How the map moves from one state to the next, by what the visitor wants now. */
export function motion() {
  return isStill() ? (false as const) : { duration: 500 }
}

/** Whether the visitor has asked for no motion. */
export function isStill(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches
}

/** Colours and shapes of the text's points in the page's theme. @param generated for each point, whether the model wrote its sentence */
export function pointStyles(canvas: HTMLCanvasElement, generated: readonly boolean[]) {
  const [line, yours, models] = [colorOf(canvas, '--line'), colorOf(canvas, '--accent'), colorOf(canvas, '--new')]
  const colors = generated.map((isGenerated) => (isGenerated ? models : yours))
  return {
    borderColor: line,
    pointStyle: generated.map((isGenerated) => (isGenerated ? 'rectRot' : 'circle')),
    pointBackgroundColor: colors,
    pointBorderColor: colors,
    pointHoverBackgroundColor: colors,
    pointHoverBorderColor: colors,
  }
}

/**
 * The way out of noise: a dotted line of small points, and a ring around the last.
 * @param shown how many of its points are drawn by now
 */
export function pathStyles(canvas: HTMLCanvasElement, length: number, shown: number) {
  const color = colorOf(canvas, '--new')
  const radii = Array.from({ length }, (_, i) => (i >= shown ? 0 : i === length - 1 ? 10 : 2.5))
  const fills = radii.map((_, i) => (i === length - 1 ? 'transparent' : color))
  return {
    borderColor: color,
    segment: { borderColor: ({ p1DataIndex }: { p1DataIndex: number }) => (p1DataIndex < shown ? color : 'transparent') },
    pointRadius: radii,
    pointHoverRadius: radii,
    pointBackgroundColor: fills,
    pointHoverBackgroundColor: fills,
    pointBorderColor: radii.map((radius) => (radius > 0 ? color : 'transparent')),
    pointBorderWidth: radii.map((_, i) => (i === length - 1 ? 2 : 0)),
  }
}

/** What the memory has nearby: hollow triangles. */
export function memoryStyles(canvas: HTMLCanvasElement) {
  const [ground, color] = [colorOf(canvas, '--surface'), colorOf(canvas, '--quiet')]
  return {
    pointBackgroundColor: ground,
    pointHoverBackgroundColor: ground,
    pointBorderColor: color,
    pointHoverBorderColor: color,
    pointBorderWidth: 1.5,
  }
}

/** Canvas colours cannot be `light-dark()`: what the browser makes of it on an element can. */
function colorOf(canvas: HTMLCanvasElement, property: string): string {
  canvas.style.color = `var(${property})`
  const color = getComputedStyle(canvas).color
  canvas.style.color = ''
  return color
}

/** A tooltip does not wrap by itself. */
function folded(text: string): string[] {
  return text.match(/.{1,36}(?:\s|$)|\S{36}/g)?.map((line) => line.trim()) ?? []
}
