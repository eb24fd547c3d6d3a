import type { BrowserContext } from '@playwright/test'
import { withPage } from '../cli/browser'
import type * as Api from '../src/api'

/** Milliseconds from the call on, with the model loaded. */
interface Times {
  /** Nothing is stored. */
  cold: number
  /** The tab was closed and opened again. */
  reload: number
  /** The same, with one more sentence at the end. */
  append: number
  /** The same, with another sentence in the middle. */
  edit: number
}

/** Times to the first new concept, and whether stored state changed nothing. */
export interface ResumeMeasurement extends Times {
  /** Sentences of the document. */
  concepts: number
  /** Times until that concept is decoded into a sentence. */
  decoded: Times
  /** Rows computed in each of the four. */
  computed: number[]
  /** Whether every concept has the very bits that a visitor without any stored state gets. */
  identical: boolean
}

/** How soon a document of each length goes on: cold, after a reload, after an appended sentence, after an edit in the middle. */
export function measureResume(
  { model, backend }: { model: string; backend: Api.Backend },
  lengths: readonly number[],
): Promise<ResumeMeasurement[]> {
  return withPage(model, async (page, name) => {
    const browser = page.context().browser()!
    const inContext = async <T>(work: (visit: (text: string) => Promise<Visit>) => Promise<T>): Promise<T> => {
      const context = await browser.newContext()
      try {
        return await work((text) => visitOnce(context, page.url(), { model: name, backend }, text))
      } finally {
        await context.close()
      }
    }
    const measurements: ResumeMeasurement[] = []
    for (const concepts of lengths) {
      const sentences = Array.from({ length: concepts }, (_, n) => sentence(n))
      const texts = {
        whole: sentences.join(' '),
        appended: [...sentences, sentence(concepts)].join(' '),
        edited: sentences.with(concepts >> 1, 'Then something else happened.').join(' '),
      }
      const [cold, reload, append, edit] = await inContext(async (visit) => {
        const first = await visit(texts.whole)
        return [first, await visit(texts.whole), await visit(texts.appended), await visit(texts.edited)]
      })
      const strangers = [cold, await inContext((visit) => visit(texts.appended)), await inContext((visit) => visit(texts.edited))]
      const visits = { cold, reload, append, edit }
      measurements.push({
        concepts,
        ...timesOf(visits, ({ milliseconds, decode }) => milliseconds - decode),
        decoded: timesOf(visits, ({ milliseconds }) => milliseconds),
        computed: Object.values(visits).map(({ rows }) => rows.computed),
        identical: [reload, append, edit].every(({ embedding }, i) => embedding === strangers[i]!.embedding),
      })
    }
    return measurements
  })
}

function timesOf({ cold, reload, append, edit }: Record<keyof Times, Visit>, time: (visit: Visit) => number): Times {
  return { cold: time(cold), reload: time(reload), append: time(append), edit: time(edit) }
}

interface Visit {
  /** Until the concept is there as a sentence. */
  milliseconds: number
  /** Of these, for decoding. */
  decode: number
  rows: Api.RowCounts
  embedding: string
}

/** Opens a tab, loads the model, continues the text by one concept and closes the tab. */
async function visitOnce(
  context: BrowserContext,
  url: string,
  { model, backend }: { model: string; backend: Api.Backend },
  text: string,
): Promise<Visit> {
  const page = await context.newPage()
  await page.goto(url)
  const visit = await page.evaluate(
    async ([model, backend, text]) => {
      const { load } = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
      const noema = await load(model, { backend })
      const generation = noema.continue(text, { concepts: 1, seed: 1 })
      const start = performance.now()
      const first = await generation.next()
      const milliseconds = performance.now() - start
      const last = await generation.next()
      noema.dispose()
      if (first.done || !last.done) throw new Error('The model did not write exactly one concept.')
      const { embedding, timing } = first.value
      return { milliseconds, decode: timing.decode, rows: last.value.rows, embedding: embedding.join() }
    },
    [model, backend, text] as const,
  )
  await page.close()
  return visit
}

/** The nth of many sentences that are all different. */
function sentence(n: number): string {
  const [who, what, where] = [
    ['Tom', 'Anna', 'The dog', 'My friend', 'A small bird'],
    ['found a red ball', 'sang a song', 'looked for bread', 'was very happy', 'heard a noise', 'told a story', 'ran home'],
    [
      'in the garden',
      'near the river',
      'at school',
      'behind the house',
      'in the forest',
      'on the road',
      'at the market',
      'by the sea',
      'in town',
    ],
  ] as const
  return `${who[n % who.length]} ${what[n % what.length]} ${where[n % where.length]} on day ${n + 1}.`
}
