import { expect, type Page, test } from '@playwright/test'
import { expectSound } from './access.testing'
import { shipped } from './sites'

const pages = ['index', 'how-it-works', 'reference', 'model-card', 'own-model', 'privacy']

test('every page is there, reads well in both themes and at 320 pixels, and links only to what is there', async ({ page }) => {
  const anchors = new Map<string, string[]>()
  const links: { from: string; to: string }[] = []
  for (const name of pages) {
    await page.goto(`/docs/${name}.html`)
    await expect(page.getByRole('heading', { level: 1 })).toHaveCount(1)
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.emulateMedia({ colorScheme: 'dark' })
    await expectSound(page)
    await page.setViewportSize({ width: 320, height: 800 })
    await page.emulateMedia({ colorScheme: 'light' })
    await expectSound(page)
    anchors.set(page.url(), await page.$$eval('[id]', (elements) => elements.map(({ id }) => `#${id}`)))
    const found = await page.$$eval('a', (elements) => elements.map(({ href }) => href))
    links.push(...found.map((to) => ({ from: page.url(), to })))
  }
  const local = links.filter(({ to }) => to.startsWith(new URL('/', page.url()).href))
  expect(local.filter(({ to }) => to.endsWith('/index.html')).length).toBeGreaterThan(0)
  const lost: typeof links = []
  const answers = new Map<string, Promise<boolean>>()
  for (const { from, to } of local) {
    const { hash, href } = new URL(to)
    const url = href.replace(hash, '')
    if (!answers.has(url))
      answers.set(
        url,
        page.request.get(url).then((response) => response.ok()),
      )
    const isThere = await answers.get(url)
    if (!isThere || (hash && !anchors.get(url)?.includes(hash))) lost.push({ from, to })
  }
  expect(lost).toEqual([])
})

test('the page leads to the documentation, which says what the library exports and what the model card says, and back', async ({
  page,
}) => {
  await page.goto('/')
  await page.getByRole('link', { name: 'Documentation' }).click()
  await page.keyboard.press('Tab')
  await expect(page.getByRole('link', { name: 'To the text' })).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('main')).toBeFocused()
  const navigation = page.getByRole('navigation', { name: 'Documentation' })
  await navigation.getByRole('link', { name: 'API reference' }).click()
  await expect(page.getByRole('heading', { name: 'Noema.continue()' })).toBeVisible()
  const exported = await page.evaluate(async () => Object.keys(await import(new URL('../noema.js', document.baseURI).href)))
  const reference = await page.getByRole('main').innerText()
  for (const name of exported) expect(reference).toContain(name)
  await navigation.getByRole('link', { name: 'Model card' }).click()
  await expect(page.getByRole('heading', { name: 'Training text and attribution' })).toBeVisible()
  await page.getByRole('banner').getByRole('link', { name: 'Noema' }).click()
  await expect(page).toHaveTitle(/thinks in sentences/)
})

test.describe('as they are shipped', () => {
  test.use(shipped)

  test('the figures run the real model', async ({ page }) => {
    await page.emulateMedia({ colorScheme: 'light' })
    await page.goto('/docs/how-it-works.html')
    const trip = page.locator('round-trip-figure')
    await trip.getByLabel('Sentence', { exact: true }).fill('Where is the dog?')
    await trip.getByRole('button').press('Enter')
    await expect(trip.getByRole('row')).toHaveCount(4)
    await expect(trip.getByRole('row', { name: 'English' })).toContainText('Where is the dog?')
    await expect(trip.getByRole('row', { name: 'French' })).toContainText('chien')

    const similarity = page.locator('similarity-figure')
    await similarity.getByRole('button').click()
    const first = similarity.getByRole('row').nth(1).getByRole('cell')
    await expect(first).toHaveCount(4)
    const [itself, translation, , other] = (await first.allTextContents()).map(Number)
    expect(itself).toBe(1)
    expect(translation).toBeGreaterThan(Number(other))

    const denoising = page.locator('denoising-figure')
    await denoising.getByLabel('Denoising steps').fill('4')
    await denoising.getByRole('button').click()
    const told = denoising.getByRole('row')
    await expect(told).toHaveCount(5)
    await expect(denoising.locator('circle.step')).toHaveCount(4)
    await expect(told.last().getByRole('cell').nth(1)).toHaveText('1.00')
    const way = () => denoising.locator('polyline').getAttribute('points')
    const unguided = await way()
    await denoising.getByLabel('Guidance').fill('3')
    await denoising.getByRole('button').click()
    await expect.poll(way).not.toBe(unguided)
    await expectSound(page)
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.setViewportSize({ width: 320, height: 800 })
    await expectSound(page)
  })
})

test.describe('with a service worker', () => {
  test.use({ serviceWorkers: 'allow' })

  test('one button erases everything that this browser keeps', async ({ page }) => {
    await page.goto('/?manual')
    await page.evaluate(async () => {
      const { load } = await import(new URL('noema.js', document.baseURI).href)
      const noema = await load('mini')
      const diary = await noema.open('diary', { remember: true })
      await diary.append('Tom had a red ball. He played with it in the garden.')
      for await (const _ of diary.continue({ concepts: 1, conceptModel: 'two-tower', steps: 2, beam: 1 }));
      noema.dispose()
      localStorage.setItem('noema.theme', 'dark')
      localStorage.setItem('another', 'kept')
      sessionStorage.setItem('noema.draft', '{}')
      await caches.open(`of-another-site-${location.origin}/elsewhere/`)
      await navigator.serviceWorker.register('service-worker.js')
      await navigator.serviceWorker.ready
    })
    await page.goto('/docs/privacy.html')
    await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark')
    const full = await stored(page)
    for (const name of ['noema-models', 'noema-documents', 'noema-memory', 'noema-sentences', 'noema-states']) {
      expect(full.entries[name], name).toBeGreaterThan(0)
      await expect(page.getByRole('cell', { name, exact: true })).toBeVisible()
    }
    await page.getByRole('button', { name: 'Erase everything…' }).click()
    await expect(page.getByRole('button', { name: 'Yes, erase everything' })).toBeFocused()
    await page.getByRole('button', { name: 'Keep it' }).click()
    await expect(page.getByRole('button', { name: 'Erase everything…' })).toBeFocused()
    expect(full.cacheNames).toHaveLength(2)
    expect(await stored(page)).toEqual(full)
    await page.keyboard.press('Enter')
    await page.keyboard.press('Enter')
    await expect(page.getByRole('status')).toHaveText('Everything is erased.')
    const { entries, keys, cacheNames } = await stored(page)
    expect(Object.values(entries)).toEqual([0, 0, 0, 0, 0])
    expect(keys).toEqual(['another'])
    expect(cacheNames).toEqual([expect.stringContaining('of-another-site')])
    expect(await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length)).toBe(0)
    await expect(page.locator('html')).not.toHaveAttribute('data-theme')
    await expectSound(page)
  })
})

/** What the browser keeps for the site: entries by database, names in the local and session storage, caches. */
function stored(page: Page): Promise<{ entries: Record<string, number>; keys: string[]; cacheNames: string[] }> {
  return page.evaluate(async () => {
    const settled = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
    const entries: Record<string, number> = {}
    for (const { name = '' } of await indexedDB.databases()) {
      const database = await settled(indexedDB.open(name))
      entries[name] = await settled(database.transaction('files').objectStore('files').count())
      database.close()
    }
    return { entries, keys: [...Object.keys(localStorage), ...Object.keys(sessionStorage)], cacheNames: await caches.keys() }
  })
}
