import { expect, type Page, test } from '@playwright/test'
import type * as Api from '../src/api'
import { type ModelServer, serveModel } from './model-server'

const weights = 'two-tower.safetensors'
const chunkBytes = 2 * 2 ** 20

let server: ModelServer

test.beforeEach(async () => {
  server = await serveModel()
})

test.afterEach(() => server.close())

interface Outcome {
  /** `loaded`, or the error's code. */
  code: string
  storage: Api.StorageInfo | null
  /** Bytes as the progress told them. */
  loaded: number[]
}

/** Loads the server's model in a page opened anew. */
async function load(page: Page): Promise<Outcome> {
  await page.goto('/?manual')
  return page.evaluate(async (url) => {
    const { load } = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
    const loaded: number[] = []
    const onProgress = (progress: Api.Progress) => {
      if (progress.stage === 'download') loaded.push(progress.loaded)
    }
    try {
      const noema = await load(url, { onProgress })
      // The browser's answer to the request for lasting storage.
      await new Promise((resolve) => setTimeout(resolve, 500))
      noema.dispose()
      return { code: 'loaded', storage: noema.info.storage, loaded }
    } catch (error) {
      return { code: String((error as { code?: string }).code), storage: null, loaded }
    }
  }, server.url)
}

const transfersOf = (file: string) => server.transfers.filter((transfer) => transfer.file === file)

function expectNeverBack(loaded: number[]): void {
  expect(loaded).toEqual(loaded.toSorted((a, b) => a - b))
}

test('a connection cut in the middle costs no more than a chunk, and the whole model is kept for good', async ({ page, browser }) => {
  const cut = 5.5 * chunkBytes
  server.cut = { file: weights, at: cut }
  expect((await load(page)).code).toBe('download-failed')
  const before = server.transfers.length

  const { targetInfo } = await (await page.context().newCDPSession(page)).send('Target.getTargetInfo')
  const devtools = await browser.newBrowserCDPSession()
  await devtools.send('Browser.grantPermissions', { permissions: ['durableStorage'], browserContextId: targetInfo.browserContextId })
  const { code, storage, loaded } = await load(page)
  expect(code).toBe('loaded')
  expect(storage).toEqual({ stored: true, persistent: true, warning: null })
  expectNeverBack(loaded)
  const again = server.transfers.slice(before).filter(({ file }) => file !== 'manifest.json')
  const [rest, ...others] = again
  expect(rest).toMatchObject({ file: weights, start: 5 * chunkBytes })
  expect(others.every(({ file }) => transfersOf(file).length === 1)).toBe(true)
})

test('of two tabs one downloads and the other waits with its progress', async ({ page, context }) => {
  server.speed = 5e6
  const other = await context.newPage()
  const first = load(page)
  await expect.poll(() => transfersOf('manifest.json').length).toBe(1)
  const second = load(other)
  const outcomes = await Promise.all([first, second])
  for (const { code, storage, loaded } of outcomes) {
    expect(code).toBe('loaded')
    expect(storage?.stored).toBe(true)
    expectNeverBack(loaded)
  }
  expect(outcomes[1].loaded.length).toBeGreaterThan(20)
  const files = server.transfers.map(({ file }) => file).filter((file) => file !== 'manifest.json')
  expect(files.toSorted()).toEqual([...new Set(files)].toSorted())
})

test('a tab that waits takes over when the one that downloads is closed', async ({ page, context }) => {
  server.speed = 12e6
  const other = await context.newPage()
  const first = load(page).catch(() => undefined)
  await expect.poll(() => transfersOf('manifest.json').length).toBe(1)
  const second = load(other)
  await expect.poll(() => transfersOf(weights)[0]?.sent ?? 0, { intervals: [50] }).toBeGreaterThan(2.5 * chunkBytes)
  await page.close()
  await first
  const { code, loaded } = await second
  expect(code).toBe('loaded')
  expectNeverBack(loaded)
  const [cut, rest] = transfersOf(weights)
  expect(rest!.start).toBeGreaterThan(0)
  expect(rest!.start % chunkBytes).toBe(0)
  expect(cut!.sent - rest!.start).toBeLessThan(3 * chunkBytes)
  for (const { file } of server.transfers) if (file !== weights && file !== 'manifest.json') expect(transfersOf(file).length).toBe(1)
})
