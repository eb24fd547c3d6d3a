import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type BrowserContext, chromium, expect, type Page, test } from '@playwright/test'
import { build } from 'vite'
import { expectSound } from './access.testing'
import { type Host, hostFolder } from './host'
import { goOn, sentences, setDials, written } from './page.testing'
import { launchOptions, smallModel } from './sites'

const root = resolve(import.meta.dirname, '..')
const dist = join(root, 'dist')
const embedding = `<!doctype html><title>A page with the element</title><script type="module" src="noema.js"></script><noema-writer></noema-writer>`

const strip = (page: Page) => page.locator('performance-strip')
const notice = (page: Page) => page.locator('offline-notice')
const draft = (page: Page) => page.getByLabel('Your sentences')
const isIsolated = (page: Page) => page.evaluate(() => crossOriginIsolated)
const availableOffline = (page: Page) => expect(strip(page)).toContainText(/Available offline\s*yes/)

let folder: string
let host: Host
test.beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'noema-offline-'))
})
test.afterEach(async () => {
  await host.close()
  rmSync(folder, { recursive: true, force: true })
})

test('the server gone and the browser restarted, the page starts and writes; isolated on a host that sends no headers', async () => {
  host = await hostFolder(dist, { pages: { 'embedding.html': embedding } })
  const options = { ...launchOptions, serviceWorkers: 'allow' as const }
  const startBrowser = () => chromium.launchPersistentContext(folder, options)
  let context = await startBrowser()
  try {
    await firstVisit(context)
    await context.close()
    await host.close()

    context = await startBrowser()
    const page = await context.newPage()
    await page.goto(host.url)
    await goOn(page)
    await expect(written(page).first()).not.toHaveText('')
    await availableOffline(page)
    expect(await isIsolated(page)).toBe(true)
    await expect(page.getByRole('alert')).toHaveCount(0)
  } finally {
    await context.close()
  }
})

async function firstVisit(context: BrowserContext): Promise<void> {
  const page = await context.newPage()
  await page.goto(host.url)
  await expect(strip(page)).toContainText(/Available offline\s*not yet/)
  await availableOffline(page)
  expect(await isIsolated(page)).toBe(false)
  const devtools = await context.newCDPSession(page)
  expect((await devtools.send('Page.getInstallabilityErrors')).installabilityErrors).toEqual([])

  await draft(page).fill('It was late.')
  await notice(page).getByRole('button', { name: 'Reload' }).click()
  await expect.poll(() => isIsolated(page).catch(() => false)).toBe(true)
  await expect(draft(page)).toHaveValue('It was late.')
  await availableOffline(page)
  await expect(notice(page).getByRole('button')).toHaveCount(0)

  // A page with the script tag on the same origin uses the same stored model, and is left as its server has it.
  await page.goto(`${host.url}embedding.html`)
  const info = await page.evaluate(async () => (await document.querySelector('noema-writer')!.load()).info.storage)
  expect(info.stored).toBe(true)
  expect(await isIsolated(page)).toBe(false)
  for (const file of ['two-tower.safetensors', 'encoder.onnx']) expect(host.asked.filter((path) => path.endsWith(file))).toHaveLength(1)
}

test('a new build waits for a yes, tab by tab: no document, draft or file of an open page is lost', async ({ browser }) => {
  const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }
  host = await hostFolder(dist, { headers, mini: smallModel })
  const context = await browser.newContext({ serviceWorkers: 'allow' })
  const page = await context.newPage()
  await page.goto(host.url)
  await availableOffline(page)
  await expect(notice(page).getByRole('button')).toHaveCount(0)
  await setDials(page)
  const old = await page.evaluate(() => document.querySelector<HTMLScriptElement>('script[type=module]')!.src)
  const hasOld = (page: Page) => page.evaluate(async (url) => (await fetch(url, { cache: 'no-store' })).ok, old)
  await draft(page).fill('They saw a house.')

  host.folder = await buildAgain(folder)
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
  await expect(notice(page)).toContainText('A new version of this page is ready.')
  expect(await hasOld(page)).toBe(true)
  await expectSound(page)
  await goOn(page)
  await draft(page).fill('It was late.')
  const text = await sentences(page).allTextContents()
  expect(text).toHaveLength(4)

  const other = await context.newPage()
  await other.goto(host.url)
  await expect(notice(other)).toContainText('A new version of this page is ready.')
  await expect(other.locator('page-header')).not.toContainText('The second build')

  await notice(page).getByRole('button', { name: 'Reload' }).click()
  await expect(page.locator('page-header')).toContainText('The second build')
  await expect(sentences(page)).toHaveText(text)
  await expect(draft(page)).toHaveValue('It was late.')
  await availableOffline(page)

  await expect(other.locator('page-header')).not.toContainText('The second build')
  expect(await hasOld(other)).toBe(true)
  await notice(other).getByRole('button', { name: 'Reload' }).click()
  await expect(other.locator('page-header')).toContainText('The second build')
  await page.close()
  await other.reload()
  await availableOffline(other)
  expect(await hasOld(other)).toBe(false)
  await context.close()
})

/** A build that differs from the first in what the page says and so in the names of its files. @returns its folder. */
async function buildAgain(outDir: string): Promise<string> {
  const transform = (code: string, id: string) =>
    id.endsWith('/messages/english.ts') ? code.replace('A language model that thinks in sentences', 'The second build') : null
  await build({
    root,
    logLevel: 'error',
    plugins: [{ name: 'second-build', enforce: 'pre', transform }],
    build: { outDir, emptyOutDir: true },
  })
  return outDir
}

test('the manifest names what a browser needs to install the page, and pictures of the sizes that it says', async () => {
  host = await hostFolder(dist)
  const answer = await fetch(new URL('manifest.webmanifest', host.url))
  expect(answer.headers.get('content-type')).toContain('application/manifest+json')
  const manifest = await answer.json()
  expect(manifest).toMatchObject({ short_name: 'Noema', start_url: './', scope: './', display: 'standalone' })
  interface Picture {
    src: string
    sizes: string
    type: string
    purpose?: string
    form_factor?: string
  }
  const icons: Picture[] = manifest.icons
  const screenshots: Picture[] = manifest.screenshots
  expect(icons.map(({ sizes, purpose = 'any' }) => `${sizes} ${purpose}`)).toEqual(
    expect.arrayContaining(['192x192 any', '512x512 any', '512x512 maskable']),
  )
  expect(screenshots.map(({ form_factor }) => form_factor)).toEqual(['wide', 'narrow'])
  for (const { src, sizes, type } of [...icons, ...screenshots]) {
    const file = readFileSync(join(dist, src))
    if (type === 'image/svg+xml') continue
    // A PNG's header chunk: width and height after 16 bytes.
    expect(`${src} ${file.readUInt32BE(16)}x${file.readUInt32BE(20)}`).toBe(`${src} ${sizes}`)
  }
})
