import type { Chart, ChartConfiguration } from 'chart.js'
import type { Point } from './projection'

/**
 * How the concept map is drawn: a path through points, with the sentence's number beside each.
 * @param textOf what is said of a point
 * @param onPoint told of the point under the pointer, if there is one
 * @param first index of the sentence that the first point stands for
 */
export function mapOptions(
  canvas: HTMLCanvasElement,
  textOf: (point: number) => string,
  onPoint: (point: number | undefined) => void,
  first: () => number,
): ChartConfiguration<'line', Point[]> {
  const scale = { display: false, grace: '18%' } as const
  const drawNumbers = (chart: Chart) => {
    const { ctx } = chart
    ctx.fillStyle = colorOf(canvas, '--quiet')
    ctx.font = '600 11px system-ui, sans-serif'
    for (const [i, { x, y }] of chart.getDatasetMeta(0).data.entries()) ctx.fillText(String(first() + i + 1), x + 9, y - 7)
  }
  return {
    type: 'line',
    plugins: [{ id: 'numbers', afterDatasetsDraw: (chart) => drawNumbers(chart as Chart) }],
    data: { datasets: [{ data: [], tension: 0.25, borderWidth: 1.5, pointRadius: 5, pointHoverRadius: 9, pointHitRadius: 8 }] },
    options: {
      maintainAspectRatio: false,
      animation: matchMedia('(prefers-reduced-motion: reduce)').matches ? false : { duration: 500 },
      interaction: { mode: 'nearest', intersect: true },
      onHover: (_, elements) => onPoint(elements[0]?.index),
      scales: { x: { type: 'linear', ...scale }, y: scale },
      plugins: {
        tooltip: {
          displayColors: false,
          caretPadding: 10,
          backgroundColor: () => colorOf(canvas, '--text'),
          callbacks: {
            title: () => '',
            label: ({ dataIndex }) => folded(textOf(dataIndex)),
            labelTextColor: () => colorOf(canvas, '--surface'),
          },
        },
      },
    },
  }
}

/** Colours and shapes in the page's theme. @param generated for each point, whether the model wrote its sentence */
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
