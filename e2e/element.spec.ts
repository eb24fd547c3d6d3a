import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, type Page, test } from '@playwright/test'
import sirv from 'sirv'
import type { NoemaWriter } from '../src/element'
import { expectSound } from './access.testing'

const dist = resolve(import.meta.dirname, '../dist')

/** What noema.js comes from: another site than the page's, any page may load from it. */
let library: { url: string; asked: string[]; server: Server }
/** The page's own site: under the policy of the README, without cross-origin isolation. */
let site: { url: string; server: Server }
let html = ''

test.beforeAll(async () => {
  const asked: string[] = []
  const files = sirv(dist, { setHeaders: (response) => response.setHeader('Access-Control-Allow-Origin', '*') })
  const libraryServer = createServer((request, response) => {
    asked.push((request.url ?? '').slice(1))
    files(request, response, () => {
      response.writeHead(404, { 'Access-Control-Allow-Origin': '*' }).end()
    })
  })
  library = { url: await listen(libraryServer, '127.0.0.1'), asked, server: libraryServer }
  const policy = `default-src 'none'; script-src ${library.url} 'wasm-unsafe-eval'; worker-src blob: ${library.url}; connect-src ${library.url}; form-action 'self'`
  const siteServer = createServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': policy }).end(html)
  })
  site = { url: await listen(siteServer, 'localhost'), server: siteServer }
})

test.afterAll(() => {
  for (const { server } of [library, site]) {
    server.closeAllConnections()
    server.close()
  }
})

function listen(server: Server, host: string): Promise<string> {
  return new Promise((listening) => server.listen(0, host, () => listening(`http://${host}:${(server.address() as AddressInfo).port}/`)))
}

/** Shows a page with these elements; everything the policy refuses fails the test. */
async function show(page: Page, body: string): Promise<void> {
  html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
    <title>A page</title><script type="module" src="${library.url}noema.js"></script></head><body><main><h1>A page</h1>${body}</main></body></html>`
  page.on('console', (message) => {
    if (message.type() === 'error' && message.text().includes('Content Security Policy')) refused.push(message.text())
  })
  library.asked.length = 0
  await page.goto(site.url)
  await page.waitForFunction(() => customElements.get('noema-writer') !== undefined)
  // As `mini` writes, with fewer drafts: small enough for the software adapter of the tests.
  await page.evaluate(() => {
    for (const writer of document.querySelectorAll('noema-writer')) writer.settings = { textDrafts: 2 }
  })
}

let refused: string[] = []
test.beforeEach(() => {
  refused = []
})
test.afterEach(() => expect(refused).toEqual([]))

const writer = (page: Page, id: string) => page.locator(`noema-writer#${id}`)
const textIn = (page: Page, id: string) => writer(page, id).evaluate((element: NoemaWriter) => element.value)

test('two elements on another origin under a strict policy share one engine', async ({ page }) => {
  await show(
    page,
    `<noema-writer id="first" concepts="1" value="Tom had a red ball. He played with it."></noema-writer>
     <noema-writer id="second" concepts="1" to="fra_Latn" value="The dog is in the garden."></noema-writer>`,
  )
  await page.evaluate(() => {
    Object.assign(globalThis, { heard: [] })
    for (const name of ['noema-ready', 'noema-concept', 'noema-done', 'input', 'change'])
      document.addEventListener(name, (event) =>
        (globalThis as unknown as { heard: string[] }).heard.push(`${(event.target as Element).id} ${name}`),
      )
  })
  expect(library.asked.filter((file) => file.startsWith('models/'))).toEqual([])
  await writer(page, 'first').getByRole('button', { name: 'Continue' }).click()
  await writer(page, 'second').getByRole('textbox').press('Control+Enter')
  await expect.poll(() => textIn(page, 'first')).toMatch(/^Tom had a red ball\. He played with it\. \S/)
  await expect.poll(() => textIn(page, 'second')).toMatch(/^The dog is in the garden\. \S/)
  await expect(writer(page, 'second').getByRole('button', { name: 'Continue' })).toBeEnabled()
  expect(library.asked.filter((file) => file === 'models/mini/manifest.json')).toHaveLength(1)
  expect(library.asked.filter((file) => file === 'models/mini/encoder.onnx')).toHaveLength(1)
  expect(library.asked.filter((file) => /worker-/.test(file))).toHaveLength(1)
  const heard = await page.evaluate(() => (globalThis as unknown as { heard: string[] }).heard)
  for (const id of ['first', 'second'])
    expect(heard.filter((event) => event.startsWith(id))).toEqual(
      ['noema-ready', 'input', 'noema-concept', 'change', 'noema-done'].map((name) => `${id} ${name}`),
    )
  expect(await page.evaluate(() => [crossOriginIsolated, typeof globalThis.Noema.load])).toEqual([false, 'function'])
})

test('what one Continue loads, but ONNX Runtime, stays below 60 kB', async ({ page }) => {
  await show(page, '<noema-writer id="only" concepts="1" value="Tom had a red ball. He played with it."></noema-writer>')
  await writer(page, 'only').getByRole('button', { name: 'Continue' }).click()
  await expect.poll(() => textIn(page, 'only')).toMatch(/^Tom had a red ball\. He played with it\. \S/)
  await expect(writer(page, 'only').getByRole('button', { name: 'Continue' })).toBeEnabled()
  const scripts = [...new Set(library.asked)].filter((file) => /\.m?js$/.test(file) && !/\/(onnx-runtime|ort-)/.test(file))
  const sizes = scripts.map((file) => [file, gzipSync(readFileSync(resolve(dist, file)), { level: 9 }).length] as const)
  expect(sizes.map(([file]) => file)).toEqual(expect.arrayContaining(['noema.js', expect.stringMatching(/worker-/)]))
  const total = sizes.reduce((sum, [, size]) => sum + size, 0)
  console.log(`One Continue loads ${total} bytes of gzip:`, Object.fromEntries(sizes))
  expect(total, JSON.stringify(sizes)).toBeLessThanOrEqual(60_000)
})

test('it is a field of its form: label, required, value, reset, disabled fieldset, stop', async ({ page }) => {
  await show(
    page,
    `<form action="/sent"><label for="story">Your story</label>
     <fieldset><legend>Story</legend><noema-writer id="story" name="story" required></noema-writer></fieldset><button>Send</button></form>`,
  )
  const field = page.getByRole('textbox', { name: 'Your story' })
  await page.getByText('Your story').click()
  await expect(field).toBeFocused()
  await page.getByRole('button', { name: 'Send' }).click()
  expect(page.url()).toBe(site.url)
  expect(
    await writer(page, 'story').evaluate((element: NoemaWriter) => [element.validity.valueMissing, element.form?.elements.length]),
  ).toEqual([true, 3])

  await page.evaluate(() => document.querySelector('noema-writer')!.setAttribute('value', 'It rained.'))
  await expect(field).toHaveValue('It rained.')
  await field.fill('<b>Tom</b> & I')
  expect(await page.evaluate(() => document.querySelector('form')!.checkValidity())).toBe(true)
  await page.evaluate(() => document.querySelector('form')!.reset())
  await expect(field).toHaveValue('It rained.')

  await page.evaluate(() => document.querySelector('fieldset')!.toggleAttribute('disabled', true))
  await expect(field).toBeDisabled()
  await expect(writer(page, 'story').getByRole('button', { name: 'Continue' })).toBeDisabled()
  expect(await page.evaluate(() => [...new FormData(document.querySelector('form')!).keys()])).toEqual([])
  await page.evaluate(() => document.querySelector('fieldset')!.toggleAttribute('disabled', false))

  await writer(page, 'story').getByRole('button', { name: 'Continue' }).click()
  await expect(writer(page, 'story').getByRole('progressbar')).toBeVisible()
  await field.press('Escape')
  await expect(writer(page, 'story').getByText('Stopped.')).toBeVisible()
  await field.fill('<b>Tom</b> & I')
  await page.getByRole('button', { name: 'Send' }).click()
  await page.waitForURL(/sent/)
  expect(new URL(page.url()).searchParams.get('story')).toBe('<b>Tom</b> & I')
})

test('what goes wrong is said as text, in the language of the page, and Continue tries again', async ({ page }) => {
  await show(
    page,
    `<div lang="de"><noema-writer id="wrong" model="${library.url}models/<b>none</b>/" value="Es regnet."></noema-writer></div>`,
  )
  const codes = page.evaluate(
    () =>
      new Promise((resolve) =>
        document.addEventListener('noema-error', (event) => resolve((event as CustomEvent<{ code: string }>).detail.code)),
      ),
  )
  const button = page.getByRole('button', { name: 'Fortsetzen' })
  await button.click()
  await expect(page.getByRole('alert')).toHaveText(/^Das hat nicht geklappt\. .*manifest\.json answers with status 404\./)
  expect(await codes).toBe('download-failed')
  await expect(button).toBeEnabled()
  const before = library.asked.length
  await button.click()
  await expect.poll(() => library.asked.filter((file) => file.endsWith('manifest.json')).length).toBe(2)
  expect(library.asked.length).toBeGreaterThan(before)
})

test('nothing that axe knows of is wrong in either scheme, and nothing moves sideways at 320 pixels', async ({ page }) => {
  await show(
    page,
    `<noema-writer id="plain" value="It rained."></noema-writer>
     <noema-writer id="empty"><span slot="label">A diary</span><b slot="continue">Go on</b></noema-writer>
     <noema-writer id="off" disabled></noema-writer><noema-writer id="wrong" model="${library.url}none/" value="It rained."></noema-writer>`,
  )
  await expect(page.getByRole('textbox', { name: 'A diary' })).toBeVisible()
  await writer(page, 'wrong').getByRole('button', { name: 'Continue' }).click()
  await expect(writer(page, 'wrong').getByRole('alert')).not.toBeEmpty()
  await page.setViewportSize({ width: 320, height: 800 })
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await expectSound(page)
  }
})

test('the engine ends with the last element that uses it, not with one that is moved', async ({ page }) => {
  await show(page, '<div id="a"><noema-writer id="moved"></noema-writer></div><div id="b"></div>')
  const workers = () => page.workers().length
  await writer(page, 'moved').evaluate(async (element: NoemaWriter) => {
    await element.load()
  })
  expect(workers()).toBe(1)
  await page.evaluate(() => document.querySelector('#b')!.append(document.querySelector('noema-writer')!))
  expect(
    await writer(page, 'moved').evaluate(async (element: NoemaWriter) => {
      const noema = await element.load()
      return noema.split('One. Two.')
    }),
  ).toEqual(['One.', 'Two.'])
  await writer(page, 'moved').evaluate((element) => element.remove())
  await expect.poll(workers).toBe(0)
})
