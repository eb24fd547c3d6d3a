import { expect, type Page, test } from '@playwright/test'
import type * as Api from '../src/api'
import { shipped } from './sites'

/** What a tab keeps between two steps of a test. */
interface Tab {
  noema: Api.Noema
  /** Hears of changes. */
  session: Api.Session
  changes: number
  /** Knows of no change since it was opened. */
  deaf: Api.Session
  /** The error's code, or `finished`. */
  codeOf(call: () => Promise<unknown>): Promise<string>
}

/** Opens a document in a page. */
async function open(page: Page): Promise<void> {
  await page.goto('/?manual')
  await page.evaluate(async () => {
    const api = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
    const noema = await api.load('mini')
    const session = await noema.open('shared')
    const codeOf = (call: () => Promise<unknown>) =>
      call().then(
        () => 'finished',
        (error) => (error instanceof api.NoemaError ? error.code : String(error)),
      )
    const tab: Tab = { noema, session, codeOf, changes: 0, deaf: session }
    session.watch(() => tab.changes++)
    Object.assign(globalThis, { tab })
  })
}

/** Does something in a page; `work` may use nothing but its argument. */
function act<R>(page: Page, work: (tab: Tab) => Promise<R>): Promise<R> {
  return page.evaluate(async (work) => new Function(`return (${work})`)()((globalThis as unknown as { tab: Tab }).tab), String(work))
}

const texts = (page: Page) => act(page, async ({ session }) => session.sentences.map(({ text }) => text))

test('two tabs write one document and no sentence is lost', async ({ page, context }) => {
  const other = await context.newPage()
  await open(page)
  await open(other)

  await act(page, ({ session }) => session.append('One was first.'))
  await expect.poll(() => texts(other)).toEqual(['One was first.'])
  expect(await act(other, async ({ changes }) => changes)).toBe(1)
  expect(await act(page, async ({ changes }) => changes)).toBe(0)

  const many = (tab: Tab) => Promise.all(Array.from({ length: 10 }, (_, n) => tab.session.append(`Sentence ${n} of a tab.`)))
  await Promise.all([act(page, many), act(other, many)])
  await expect.poll(async () => (await texts(page)).length).toBe(21)
  expect(await texts(other)).toEqual(await texts(page))

  for (const tab of [page, other]) {
    await act(tab, async (tab) => {
      tab.deaf = await tab.noema.open('shared')
    })
  }
  const codes = await Promise.all([
    act(page, ({ deaf, codeOf }) => codeOf(() => deaf.edit(0, 'The one was here.'))),
    act(other, ({ deaf, codeOf }) => codeOf(() => deaf.edit(0, 'The other was here.'))),
  ])
  expect(codes.toSorted()).toEqual(['document-changed', 'finished'])
  const [winner] = await act(page, async ({ deaf }) => deaf.sentences.map(({ text }) => text))
  expect(winner).toBe(codes[0] === 'finished' ? 'The one was here.' : 'The other was here.')
  for (const tab of [page, other]) await expect.poll(async () => (await texts(tab))[0]).toBe(winner)

  const loser = codes[0] === 'finished' ? other : page
  expect(await act(loser, ({ deaf, codeOf }) => codeOf(() => deaf.edit(0, 'Both were here.')))).toBe('finished')
  for (const tab of [page, other]) await expect.poll(async () => (await texts(tab))[0]).toBe('Both were here.')
  expect((await texts(page)).length).toBe(21)
})

test.describe('with the model that is shipped', () => {
  test.use(shipped)

  test('writing on is refused when another tab changes the document meanwhile, and nothing of either is lost', async ({
    page,
    context,
  }) => {
    const other = await context.newPage()
    await open(page)
    await act(page, ({ session }) => session.append('Tom had a red ball. He played with it in the garden. One day the ball was gone.'))
    await open(other)
    await act(other, async ({ session }) => {
      new BroadcastChannel('test').onmessage = () => void session.append('It rained all day.')
    })
    const writing = await act(page, async ({ session, codeOf }) => {
      const code = await codeOf(async () => {
        for await (const _ of session.continue({ concepts: 5, conceptModel: 'two-tower', steps: 4, seed: 3 }))
          new BroadcastChannel('test').postMessage('a concept is there')
      })
      return { code, sentences: session.sentences }
    })
    expect(writing.code).toBe('document-changed')
    expect(writing.sentences.slice(3).map(({ generated }) => generated)).toContain(true)
    expect(writing.sentences.map(({ text }) => text)).toContain('It rained all day.')
    expect(
      await act(page, ({ session, codeOf }) => codeOf(() => session.continue({ concepts: 1, conceptModel: 'two-tower', steps: 4 }).next())),
    ).toBe('finished')
  })
})
