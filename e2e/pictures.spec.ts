import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, type Locator, type Page, test } from '@playwright/test'
import { chromiumArguments, findChromium } from '../cli/chromium'
import type { NoemaPage } from '../src/app/noema-page'
import { deployNewerBuild, hostFolder } from './host'
import { continueButton, idle, open, setDials, stopButton } from './page.testing'

/**
 * How the main states look, compared with the pictures in `e2e/pictures`. Texts, concepts and measurements are given by the tests, so that another
 * model changes none of them.
 */

const dist = resolve(import.meta.dirname, '../dist')

test.use({
  viewport: { width: 1200, height: 720 },
  colorScheme: 'light',
  contextOptions: { reducedMotion: 'reduce' },
  locale: 'en-GB',
  // Letters without the machine's own ways of fitting them to its screen.
  launchOptions: { executablePath: findChromium(), args: [...chromiumArguments(), '--disable-lcd-text', '--font-render-hinting=none'] },
})

/** Compares what is seen with a picture; no pointer is on anything, nothing has the focus, and the side is not scrolled. */
async function expectPicture(seen: Page | Locator, name: string, { fullPage = false } = {}): Promise<void> {
  const page = 'page' in seen ? seen.page() : seen
  await page.mouse.move(0, 0)
  await page.evaluate(() => {
    let active = document.activeElement
    while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement
    if (active instanceof HTMLElement) active.blur()
    document.querySelector('noema-page')?.shadowRoot?.querySelector('aside')?.scrollTo(0, 0)
  })
  if ('page' in seen) await expect(seen).toHaveScreenshot(`${name}.png`)
  else await expect(seen).toHaveScreenshot(`${name}.png`, { fullPage })
}

/** Shows a text with concepts of its own making, a way out of noise, and what was measured. */
async function showText(page: Page): Promise<void> {
  await page.evaluate(() => {
    const { workspace } = document.querySelector('noema-page') as NoemaPage
    const texts = [
      'Once upon a time there was a little girl.',
      'She lived near a big forest.',
      'One day she saw a small grey bird under a tree.',
      'The bird could not fly, and it was cold.',
      'She took it home and gave it bread and water.',
    ]
    const circle = (turn: number, radius: number) => Float32Array.of(radius * Math.cos(turn), radius * Math.sin(turn), 0)
    const document_ = { id: workspace.session?.id ?? '', title: '', beginning: texts[0]!, sentences: texts.length, readable: true }
    workspace.sentences = texts.map((text, i) => ({ text, language: 'eng_Latn', generated: i > 1 }))
    workspace.concepts = texts.map((_, i) => circle(i, 3 + i))
    workspace.trajectory = Array.from({ length: 9 }, (_, i) => circle(8 - i / 2, 1 + i * 0.75))
    workspace.documents = [document_, { ...document_, id: 'another', title: 'A letter to Tom', sentences: 12 }]
    workspace.measured = { speed: 3.2, rows: { remembered: 2, restored: 0, computed: 3 }, recalled: 0 }
    workspace.kept = 52_300_000
    workspace.changed()
  })
}

test('the page before its model is there, waiting to write, and when the model cannot be had', async ({ page, context }) => {
  await context.route('**/models/**', () => undefined)
  await page.goto('/')
  await continueButton(page).click()
  await expect(page.getByRole('status').first()).toHaveText('Starts as soon as the model is ready.')
  await expectPicture(page, 'page-waiting')
  await context.unrouteAll()
  await context.route('**/models/**', (route) => route.fulfill({ body: 'Not there.' }))
  await page.reload()
  await expect(page.getByRole('alert')).toContainText('The model could not be loaded.')
  await expectPicture(page.locator('loading-banner'), 'page-failed')
})

test('the page with nothing, with a text and its map, with its tools and dials, in the dark, on a phone, while it writes', async ({
  page,
}) => {
  // So that writing can be held where the model would be asked.
  await page.addInitScript(() => {
    const { postMessage } = Worker.prototype
    Worker.prototype.postMessage = function (this: Worker, ...sent: unknown[]) {
      if (!('isHeld' in globalThis)) Reflect.apply(postMessage, this, sent)
    }
  })
  await open(page)
  for (const [dial, value] of [
    ['Seed', '7'],
    ['Guidance', '2'],
    ['Initial noise', '0.8'],
    ['Recall', '3'],
  ] as const) {
    await page.getByLabel(dial, { exact: true }).fill(value)
    await page.getByLabel(dial, { exact: true }).blur()
  }
  await page.getByRole('button', { name: 'New', exact: true }).click()
  await expect(page.locator('text-view .sentence')).toHaveCount(0)
  await page.evaluate(() => {
    const { workspace } = document.querySelector('noema-page') as NoemaPage
    workspace.kept = 52_300_000
    workspace.changed()
  })
  await expectPicture(page.locator('main'), 'page-empty')

  await showText(page)
  await expectPicture(page, 'page-text')
  await expectPicture(page.locator('dials-panel'), 'page-dials')
  await page.locator('text-view .sentence').nth(3).click()
  await expectPicture(page.locator('text-view'), 'page-tools')
  await page.getByRole('button', { name: 'Edit', exact: true }).click()
  await expectPicture(page.locator('text-view'), 'page-editing')
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByText('Outline, then expand').click()
  await expectPicture(page.locator('compose-box'), 'page-outline')
  await page.getByText('Outline, then expand').click()

  await page.getByLabel('Colours').selectOption('dark')
  await expectPicture(page, 'page-dark')
  await page.getByLabel('Colours').selectOption('light')
  await page.setViewportSize({ width: 320, height: 640 })
  await expectPicture(page, 'page-phone', { fullPage: true })
  await page.setViewportSize({ width: 1200, height: 720 })

  await page.evaluate(() => Object.assign(globalThis, { isHeld: true }))
  await continueButton(page).click()
  await expect(stopButton(page)).toBeEnabled()
  await showText(page)
  await expectPicture(page.locator('main'), 'page-writing')
})

test.describe('offline', () => {
  test.use({ serviceWorkers: 'allow' })

  test('the page without a network, when a newer build is waiting', async ({ page, context }) => {
    const folder = mkdtempSync(join(tmpdir(), 'noema-pictures-'))
    const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }
    const host = await hostFolder(dist, { headers })
    try {
      await page.goto(host.url)
      await expect(page.locator('performance-strip')).toContainText(/Available offline\s*yes/)
      deployNewerBuild(host, folder)
      await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
      await expect(page.locator('offline-notice')).toContainText('A new version of this page is ready.')
      await context.setOffline(true)
      await page.reload()
      await expect(page.locator('performance-strip')).toContainText(/Available offline\s*yes/)
      await setDials(page)
      await idle(page)
      await showText(page)
      await expectPicture(page.locator('offline-notice'), 'page-update')
      await expectPicture(page.locator('performance-strip'), 'page-offline')
    } finally {
      await host.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

test('the element in its states, light and dark', async ({ page }) => {
  const body = `<main><h1>A page</h1>
    <noema-writer value="It rained. Tom was at home."></noema-writer>
    <label for="diary">Diary</label><noema-writer id="diary" required></noema-writer>
    <noema-writer disabled value="It is off."></noema-writer>
    <noema-writer model="/none/" value="It rained."><b slot="continue">Go on</b></noema-writer></main>`
  await page.route('/element', (route) =>
    route.fulfill({
      contentType: 'text/html',
      body: `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>A page</title>
        <style>body { font: 16px/1.5 system-ui } main { display: grid; gap: 1rem; max-width: 40rem; margin: auto }</style>
        <script type="module" src="/noema.js"></script>${body}</html>`,
    }),
  )
  await page.route('/none/**', (route) => route.fulfill({ body: 'Not there.' }))
  await page.goto('/element')
  await page.getByRole('button', { name: 'Continue' }).nth(1).click()
  await page.getByRole('button', { name: 'Go on' }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'is not JSON' })).toBeVisible()
  await expectPicture(page, 'element-light', { fullPage: true })
  await page.emulateMedia({ colorScheme: 'dark' })
  await expectPicture(page, 'element-dark', { fullPage: true })
})

test('the documentation, wide and on a phone', async ({ page }) => {
  await page.goto('/docs/index.html')
  await expectPicture(page, 'docs')
  await page.setViewportSize({ width: 320, height: 640 })
  await page.emulateMedia({ colorScheme: 'dark' })
  await expectPicture(page, 'docs-phone')
})
