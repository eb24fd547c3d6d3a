import type { BrowserContext } from '@playwright/test'
import { withPage } from '../cli/browser'
import type * as Api from '../src/api'

/** Medians in milliseconds. */
export interface SpeedMeasurement {
  backend: Api.ModelInfo['device']
  visits: number
  /** Until the model can be used, its files coming from a server on this machine: nothing stored, and stored by an earlier visit. */
  load: { first: number; again: number }
  /** A sentence to its concept. */
  encode: number
  /** Predicting one concept after a text of four sentences, by concept model. */
  predict: Record<string, number>
  /** Such a concept to its sentence, in the way of its concept model. */
  decode: Record<string, number>
}

interface Visit {
  device: Api.ModelInfo['device']
  load: number
  encode: number[]
  predict: Record<string, number[]>
  decode: Record<string, number[]>
}

/** How long loading a model takes and how long each of its parts works, over several first visits and as many second ones. */
export function measureSpeed({ model, backend }: { model: string; backend: Api.Backend }, visits: number): Promise<SpeedMeasurement> {
  return withPage(model, async (page, name) => {
    const browser = page.context().browser()!
    const first: Visit[] = []
    const again: Visit[] = []
    for (let i = 0; i < visits; i++) {
      const context = await browser.newContext()
      first.push(await visitOnce(context, page.url(), name, backend))
      again.push(await visitOnce(context, page.url(), name, backend))
      await context.close()
    }
    const all = [...first, ...again]
    const { device } = all[0]!
    const byModel = (what: 'predict' | 'decode') =>
      Object.fromEntries(Object.keys(all[0]![what]).map((name) => [name, median(all.flatMap((visit) => visit[what][name]!))]))
    return {
      backend: device,
      visits: all.length,
      load: { first: median(first.map(({ load }) => load)), again: median(again.map(({ load }) => load)) },
      encode: median(all.flatMap(({ encode }) => encode)),
      predict: byModel('predict'),
      decode: byModel('decode'),
    }
  })
}

/** Opens a tab, loads the model, encodes sentences one by one, lets every concept model go on with a text, and closes the tab. */
async function visitOnce(context: BrowserContext, url: string, model: string, backend: Api.Backend): Promise<Visit> {
  const page = await context.newPage()
  await page.goto(url)
  const visit = await page.evaluate(
    async ([model, backend]) => {
      const { load } = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
      const start = performance.now()
      const noema = await load(model, { backend })
      const loaded = performance.now() - start
      const encode = []
      for (let n = 0; n < 10; n++) {
        const before = performance.now()
        await noema.encode([`The old man saw ${n + 2} boats on the river.`])
        encode.push(performance.now() - before)
      }
      const predict: Record<string, number[]> = {}
      const decode: Record<string, number[]> = {}
      const text = 'A girl had a red ball. She took it to the park. The wind was strong. The ball rolled into the river.'
      for (const conceptModel of Object.keys(noema.info.conceptModels)) {
        const [predicted, decoded]: [number[], number[]] = [[], []]
        predict[conceptModel] = predicted
        decode[conceptModel] = decoded
        for (let seed = 0; seed < 3; seed++) {
          for await (const { timing } of noema.continue(text, { concepts: 5, seed, conceptModel })) {
            predicted.push(timing.predict)
            decoded.push(timing.decode)
          }
        }
      }
      const device = noema.info.device
      noema.dispose()
      return { device, load: loaded, encode, predict, decode }
    },
    [model, backend] as const,
  )
  await page.close()
  return visit
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
