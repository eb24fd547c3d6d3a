import { type BrowserContext, expect, type Page, test } from '@playwright/test'
import type * as Api from '../src/api'

/** What a tab has in its global scope. */
interface Tab {
  noema: Api.Noema
  /** Whether the engine stands still in the middle of a write. */
  isHeld: boolean
}

/** Opens a tab with a freshly loaded model whose engine stands still for ever before the nth value it writes from then on. */
async function open(context: BrowserContext, nth = Number.POSITIVE_INFINITY): Promise<Page> {
  const page = await context.newPage()
  await page.goto('/?manual')
  await page.evaluate(async () => {
    const { load } = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
    const tab: Tab = { noema: await load('mini'), isHeld: false }
    Object.assign(globalThis, tab)
    new BroadcastChannel('writes').onmessage = () => Object.assign(globalThis, { isHeld: true })
  })
  await engineOf(page).evaluate((nth) => {
    const { put } = IDBObjectStore.prototype
    let writes = 0
    Object.assign(globalThis, { writes: () => writes })
    IDBObjectStore.prototype.put = function (...values: Parameters<typeof put>) {
      if (++writes === nth) {
        new BroadcastChannel('writes').postMessage('held')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      }
      return put.apply(this, values)
    }
  }, nth)
  return page
}

/** The worker that the engine runs in; ONNX Runtime has others inside it. */
function engineOf(page: Page) {
  return page.workers().findLast((worker) => /\/worker-[^/]+\.js$/.test(worker.url()))!
}

/** Brings a remembered document to three sentences of the visitor's and two of the model's, wherever it stands, and searches for all of them. */
function write(page: Page): Promise<{ sentences: Api.DocumentContent['sentences']; found: string[] }> {
  return page.evaluate(async () => {
    const { noema } = globalThis as unknown as Tab
    const session = await noema.open('diary', { remember: true })
    if (session.sentences.length === 0) await session.append('Tom had a red ball. He played with it. One day it was gone.')
    const concepts = 5 - session.sentences.length
    if (concepts > 0) for await (const _ of session.continue({ concepts, seed: 3, conceptModel: 'two-tower', steps: 4, beam: 1 }));
    const { sentences } = await noema.open('diary')
    const hits = await noema.memory.search('Tom looked for the ball.', 100)
    return { sentences, found: hits.map(({ text, source }) => `${source.id} ${source.index} ${text}`).sort() }
  })
}

test('a tab closed in the middle of a write, early or late, costs no sentence, and the next one ends with the same text', async ({
  browser,
  baseURL,
}) => {
  // Seven visits.
  test.setTimeout(360_000)
  const visited = async <T>(work: (context: BrowserContext) => Promise<T>): Promise<T> => {
    const context = await browser.newContext({ baseURL: baseURL!, serviceWorkers: 'block' })
    return work(context).finally(() => context.close())
  }
  const undisturbed = await visited(async (context) => {
    const page = await open(context)
    const written = await write(page)
    const writes = await engineOf(page).evaluate(() => (globalThis as unknown as { writes: () => number }).writes())
    return { ...written, writes }
  })
  const { writes, ...expected } = undisturbed
  expect(expected.sentences.map(({ generated }) => generated)).toEqual([false, false, false, true, true])
  expect(expected.found).toEqual(expected.sentences.map(({ text }, index) => `diary ${index} ${text}`))
  expect(writes).toBeGreaterThan(10)
  for (const nth of [2, Math.round(writes / 3), Math.round((2 * writes) / 3)]) {
    const after = await visited(async (context) => {
      const page = await open(context, nth)
      write(page).catch(() => undefined)
      await page.waitForFunction(() => (globalThis as unknown as Tab).isHeld, undefined, { timeout: 60_000 })
      await page.close()
      return write(await open(context))
    })
    expect(after, `closed at write ${nth} of ${writes}`).toEqual(expected)
  }
})
