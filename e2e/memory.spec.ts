import { type BrowserContext, expect, type Page, test } from '@playwright/test'
import type * as Api from '../src/api'
import { changedModel } from './model-folder'

const text = 'Tom had a red ball. He played with it in the garden. One day the ball was gone. Tom looked for it everywhere.'

interface Outcome {
  texts: string[]
  /** Bits of the concepts. */
  embeddings: string[]
  rows: Api.RowCounts
}

/** Opens the page anew and continues a text with a freshly loaded model. */
async function visit(page: Page, text: string, concepts = 2): Promise<Outcome> {
  await page.goto('/?manual')
  return page.evaluate(
    async ([text, concepts]) => {
      const { load } = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
      const noema = await load('mini')
      const [texts, embeddings]: string[][] = [[], []]
      const generation = noema.continue(text, { concepts, seed: 3, conceptModel: 'two-tower', steps: 4 })
      for (;;) {
        const { value, done } = await generation.next()
        if (done) {
          noema.dispose()
          return { texts, embeddings, rows: value.rows }
        }
        texts.push(value.text)
        embeddings.push(value.embedding.join())
      }
    },
    [text, concepts] as const,
  )
}

/** Rewrites every value of one of the page's databases. */
async function tamper(page: Page, database: string, change: (key: string, value: unknown) => unknown): Promise<void> {
  await page.evaluate(
    async ([database, change]) => {
      const edit = new Function(`return (${change})`)() as (key: string, value: unknown) => unknown
      const settle = <T>(request: IDBRequest<T>) =>
        new Promise<T>((resolve, reject) => {
          request.onsuccess = () => resolve(request.result)
          request.onerror = () => reject(request.error)
        })
      const db = await settle(indexedDB.open(database))
      const files = db.transaction('files', 'readwrite').objectStore('files')
      for (const key of await settle(files.getAllKeys())) {
        const value = edit(String(key), await settle(files.get(key)))
        await (value === undefined ? settle(files.delete(key)) : settle(files.put(value, key)))
      }
      db.close()
    },
    [database, String(change)] as const,
  )
}

test('a text met again after a reload is not computed again, and goes on in the very same bits', async ({ page }) => {
  const first = await visit(page, text)
  expect(first.rows).toEqual({ remembered: 0, restored: 0, computed: 4 })
  const second = await visit(page, text)
  expect(second).toEqual({ ...first, rows: { remembered: 0, restored: 4, computed: 0 } })
  let moved = 10 * 365 * 86_400_000
  page.on('worker', (worker) =>
    worker
      .evaluate((moved) => {
        const now = Date.now
        Date.now = () => now() + moved
      }, moved)
      .catch(() => undefined),
  )
  expect(await visit(page, text), 'with the clock ten years ahead').toEqual(second)
  moved *= -1
  expect(await visit(page, text), 'with the clock ten years behind').toEqual(second)
})

test('another model that takes the name of the one before gets nothing of what that one made, and the other way round', async ({
  page,
  context,
  browser,
}) => {
  const first = await visit(page, text)
  const files = changedModel()
  const replace = (context: BrowserContext) =>
    Promise.all([...files].map(([name, body]) => context.route(`**/models/mini/${name}`, (route) => route.fulfill({ body }))))
  await replace(context)
  const other = await visit(page, text)
  expect(other.rows.computed).toBe(4)
  expect(other.embeddings).not.toEqual(first.embeddings)
  const stranger = await browser.newContext()
  await replace(stranger)
  expect(await visit(await stranger.newPage(), text)).toEqual(other)
  await stranger.close()
  await context.unrouteAll()
  expect(await visit(page, text)).toEqual({ ...first, rows: { remembered: 0, restored: 4, computed: 0 } })
})

test('after a change in the middle only what follows is computed', async ({ page, browser }) => {
  await visit(page, text)
  const edited = text.replace('One day', 'Last night')
  const here = await visit(page, edited)
  expect(here.rows).toEqual({ remembered: 0, restored: 2, computed: 2 })
  const stranger = await browser.newContext()
  const cold = await visit(await stranger.newPage(), edited)
  await stranger.close()
  expect(cold.rows.computed).toBe(4)
  expect(here.texts).toEqual(cold.texts)
  expect(here.embeddings).toEqual(cold.embeddings)
})

test('damaged states, sentences and weights are made or fetched again, with the same text at the end', async ({ page }) => {
  const { texts, embeddings } = await visit(page, text)
  await tamper(page, 'noema-states', (_, value) => {
    if (value instanceof Uint8Array) value[100] = (value[100] as number) ^ 1
    return value
  })
  await tamper(page, 'noema-sentences', (_, value) => {
    const { vector } = value as { vector: Float32Array }
    vector[0] = (vector[0] as number) + 1
    return value
  })
  await tamper(page, 'noema-models', (key, value) => {
    if (value instanceof Uint8Array && key.startsWith('chunk:')) value[100] = (value[100] as number) ^ 1
    return value
  })
  const damaged = await visit(page, text)
  expect(damaged).toEqual({ texts, embeddings, rows: { remembered: 0, restored: 0, computed: 4 } })
  expect((await visit(page, text)).rows.restored).toBe(4)
  for (const database of ['noema-states', 'noema-sentences']) await tamper(page, database, () => undefined)
  expect(await visit(page, text)).toEqual({ texts, embeddings, rows: { remembered: 0, restored: 0, computed: 4 } })
})
