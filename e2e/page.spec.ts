import { resolve } from 'node:path'
import { chromium, expect, test } from '@playwright/test'
import { findChromium } from '../cli/chromium'
import { hostFolder } from './host'
import { continueButton, documents, goOn, idle, open, sentences, written } from './page.testing'
import { shipped, smallModel } from './sites'

const dist = resolve(import.meta.dirname, '../dist')

test.describe('as it is shipped', () => {
  test.use(shipped)

  test('a first visitor presses one button, while the model still loads, and sees the next sentence', async ({ page }) => {
    const problems: string[] = []
    page.on('pageerror', (error) => problems.push(error.message))
    await page.goto('/')
    await expect(sentences(page)).toHaveText(['Once upon a time there was a little girl.', 'She lived near a big forest.'])
    await goOn(page)
    await expect(written(page).first()).not.toHaveText('')
    await expect(page.locator('performance-strip')).toContainText('concepts/s')
    await expect(page.locator('performance-strip')).toContainText(/Predicted by\s*the processor/)
    expect(problems).toEqual([])
  })
})

test('a document outlives a reload, goes on where it was, and costs nothing that is already known', async ({ page }) => {
  await open(page)
  await goOn(page)
  const before = await sentences(page).allTextContents()
  expect(before).toHaveLength(3)
  await open(page)
  await expect(sentences(page)).toHaveText(before)
  await goOn(page)
  await expect(sentences(page)).toHaveCount(4)
  await expect(page.locator('performance-strip')).toContainText('2 reused, 1 computed')

  const map = page.locator('concept-map')
  await expect(map.locator('.legend')).toContainText('on its way out of noise')
  await map.getByText('The map in words').click()
  await expect(map.locator('ol')).toContainText(/4 came out of noise in \d+ steps: after the first it was -?[01]\.\d\d like its end/)
  await page.getByLabel('Concept model', { exact: true }).selectOption('base-lcm')
  await goOn(page)
  await expect(map).toContainText('base-lcm draws no concepts from noise')
  await expect(map.locator('ol')).not.toContainText('out of noise')
})

test('a sentence is edited, predicted again with another seed, removed, and all of it undone', async ({ page }) => {
  await open(page, { concepts: 2 })
  await goOn(page)
  const [, second, third, fourth] = await sentences(page).allTextContents()
  await sentences(page).nth(1).click()
  await page.getByRole('button', { name: 'Edit', exact: true }).click()
  await page.getByLabel('New text of the sentence').fill('She had a dog. It was black.')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(sentences(page)).toHaveText([/^Once/, 'She had a dog.', 'It was black.', third!, fourth!])
  await sentences(page).nth(2).click()
  await page.getByRole('button', { name: 'Remove', exact: true }).click()
  await expect(sentences(page)).toHaveCount(4)
  await page.getByRole('button', { name: 'Undo', exact: true }).click()
  await page.getByRole('button', { name: 'Undo', exact: true }).click()
  await expect(sentences(page)).toHaveText([/^Once/, second!, third!, fourth!])
  await sentences(page).nth(2).click()
  await page.getByRole('button', { name: 'Predict again from here' }).click()
  await expect(page.getByLabel('Seed', { exact: true })).toHaveValue('2')
  await expect.poll(async () => (await sentences(page).allTextContents())[2]).not.toBe(third)
  await idle(page)
  // The model may have ended by itself before the second one.
  const after = await sentences(page).allTextContents()
  expect(after.slice(0, 2)).toEqual([expect.stringMatching(/^Once/), second])
  expect([3, 4]).toContain(after.length)
})

test('what is written is added, read in a second language, and continued in a third', async ({ page }) => {
  await open(page)
  await page.getByLabel('Your sentences').fill('The dog is in the garden.')
  await page.getByRole('button', { name: 'Add without continuing' }).click()
  await expect(sentences(page)).toHaveCount(3)
  await expect(page.getByLabel('Your sentences')).toHaveValue('')
  await page.getByLabel('Read beside it in').selectOption({ label: 'German' })
  const readings = page.locator('text-view .reading')
  await expect(readings).toHaveCount(3)
  await expect(page.locator('text-view .reading.pending')).toHaveCount(0)
  await expect(readings.last()).not.toHaveText('The dog is in the garden.')
  await expect(readings.last()).toHaveAttribute('lang', 'de')
  await page.getByLabel('Write in', { exact: true }).selectOption({ label: 'French' })
  await goOn(page)
  await expect(written(page)).toHaveAttribute('lang', 'fr')
  await expect(page.locator('text-view .reading.pending')).toHaveCount(0)
  const read = await readings.allTextContents()
  await page.getByRole('button', { name: 'Save as a new document in German' }).click()
  await expect(documents(page)).toHaveCount(2)
  await expect.poll(async () => (await sentences(page).allTextContents()).join(' ')).toBe(read.join(' '))
  await expect(sentences(page).first()).toHaveAttribute('lang', 'de')
})

test('documents are remembered, found by meaning in another language, and recalled while the model writes', async ({ page }) => {
  await open(page)
  await page.getByLabel('Remember this document').check()
  await expect(page.locator('memory-panel')).toContainText('2 sentences are remembered.')
  await page.getByRole('button', { name: 'New', exact: true }).click()
  await expect(page.getByLabel('Remember this document')).not.toBeChecked()
  await page.getByLabel('Your sentences').fill('The dog is in the garden.')
  await page.getByLabel('Recall', { exact: true }).fill('1')
  await goOn(page)
  await expect(page.locator('performance-strip')).toContainText('1 sentence recalled')
  await expect(page.locator('concept-map .legend')).toContainText('from the memory')
  await written(page).click()
  const origin = page.getByRole('region', { name: 'Recalled from the memory for it' }).getByRole('button')
  await expect(origin).toHaveCount(1)
  await expect(origin).toContainText(/Sentence [12] of “Once upon a time there was a little girl\.”/)

  await page.getByRole('searchbox', { name: 'Search the memory' }).fill('Sie wohnte in der Nähe eines großen Waldes.')
  await page.getByLabel('Language of the search').selectOption({ label: 'German' })
  await page.getByRole('searchbox', { name: 'Search the memory' }).press('Enter')
  const found = page.locator('memory-panel found-sentences').getByRole('button')
  await expect(found).toHaveCount(2)
  await expect(found.first()).toContainText('She lived near a big forest.')
  await found.first().click()
  await expect(sentences(page).nth(1)).toBeFocused()
  await expect(sentences(page)).toHaveText([/^Once/, 'She lived near a big forest.'])
  await page.getByRole('button', { name: 'Remember all documents' }).click()
  await expect(page.locator('memory-panel')).toContainText('4 sentences are remembered.')
})

test('an outline is written beside the text, changed, expanded into the text, and undone', async ({ page }) => {
  await open(page)
  await page.getByText('Outline, then expand').click()
  await page.getByLabel('Points', { exact: true }).fill('2')
  await page.getByRole('button', { name: 'Write an outline' }).click()
  const outline = page.getByLabel('Outline, one sentence a line')
  await expect(outline).toHaveValue(/\p{L}/u)
  await idle(page)
  await expect(sentences(page)).toHaveCount(2)
  await outline.fill('They saw a house.\n\nIt rained.')
  await page.getByLabel('Sentences for each point').fill('1')
  await page.getByRole('button', { name: 'Expand into the text' }).click()
  await expect(sentences(page)).toHaveText([/^Once/, /^She/, 'They saw a house.', /./, 'It rained.', /./])
  await idle(page)
  await expect(written(page)).toHaveCount(2)
  await expect(outline).toHaveValue('')
  await page.getByRole('button', { name: 'Undo', exact: true }).click()
  await expect(sentences(page)).toHaveCount(2)
})

test('documents: a second one, titles, a copy, a file out and in, and gone for good', async ({ page }) => {
  await open(page)
  await page.getByRole('button', { name: 'New', exact: true }).click()
  await expect(sentences(page)).toHaveCount(0)
  await continueButton(page).click()
  await expect(page.getByRole('status').first()).toHaveText('Write a sentence first.')
  await page.getByLabel('Your sentences').fill('It was late. They went home.')
  await goOn(page)
  await expect(documents(page)).toHaveCount(2)
  await page.getByRole('button', { name: 'Rename' }).click()
  await page.getByLabel('Title', { exact: true }).fill('Going home')
  await page.getByLabel('Title', { exact: true }).press('Enter')
  await expect(documents(page).first()).toContainText('Going home')
  const text = await sentences(page).allTextContents()

  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Export' }).click()
  const file = await download
  expect(file.suggestedFilename()).toBe('Going home.json')
  await page.getByRole('button', { name: 'Duplicate' }).click()
  await expect(documents(page).first()).toContainText('Going home (copy)')
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(documents(page)).toHaveCount(2)

  await page.getByLabel('Document file to import').setInputFiles(await file.path())
  await expect(documents(page)).toHaveCount(3)
  await expect(sentences(page)).toHaveText(text)
  await documents(page).last().click()
  await expect(sentences(page).first()).toHaveText(/^Once/)
  await page.reload()
  await expect(sentences(page).first()).toHaveText(/^Once/)
  await expect(documents(page)).toHaveCount(3)
})

test('a text that is far too long is refused in a sentence, and the page stays quick', async ({ page }) => {
  await open(page)
  await page.getByLabel('Your sentences').fill('All work and no play. '.repeat(2100))
  await page.getByRole('button', { name: 'Add without continuing' }).click()
  await expect(page.getByRole('button', { name: 'Show earlier sentences' })).toBeVisible()
  await expect(sentences(page)).toHaveCount(200)
  await continueButton(page).click()
  await expect(page.getByRole('alert')).toHaveText(/2102 sentences/)
})

test('the text and the map point at each other’s sentences', async ({ page }) => {
  await open(page)
  await sentences(page).nth(1).hover()
  const active = () =>
    page.evaluate(() => {
      const canvas = document.querySelector('noema-page')?.shadowRoot?.querySelector('concept-map')?.shadowRoot?.querySelector('canvas')
      return canvas?.toDataURL().length
    })
  const pointed = await active()
  await page.mouse.move(2, 2)
  await expect.poll(active).not.toBe(pointed)
  await page.locator('concept-map canvas').scrollIntoViewIfNeeded()
  const box = (await page.locator('concept-map canvas').boundingBox())!
  const isPointed = () => page.locator('text-view li.highlighted').count()
  for (let x = 4; x < box.width && (await isPointed()) === 0; x += 5) {
    await page.mouse.move(box.x + x, box.y + box.height / 2)
    // The map answers with the next frame.
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  }
  expect(await isPointed()).toBe(1)
  await page.getByText('The map in words').click()
  await expect(page.locator('concept-map ol li').first()).toHaveText(/^1 is closest to 2 \(likeness 0\.\d\d\)\.$/)
})

test('the page speaks four languages, and remembers which', async ({ browser, baseURL }) => {
  const context = await browser.newContext({ locale: 'de-AT', baseURL })
  const page = await context.newPage()
  await page.goto('/')
  await expect(page.getByRole('button', { name: /^Fortsetzen/ })).toBeVisible()
  await expect(sentences(page).first()).toHaveText('Es war einmal ein kleines Mädchen.')
  for (const [language, name] of [
    ['fr', /^Continuer/],
    ['es', /^Continuar/],
    ['en', /^Continue/],
  ] as const) {
    await page.locator('page-header select').first().selectOption(language)
    await expect(page.getByRole('button', { name })).toBeVisible()
    await expect(page.locator('html')).toHaveAttribute('lang', language)
  }
  await page.reload()
  await expect(continueButton(page)).toBeVisible()
  await context.close()
})

test('a model that cannot be loaded is said in a sentence, and can be tried again', async ({ page }) => {
  const host = await hostFolder(dist, { mini: smallModel })
  try {
    host.missing.add('models/mini/encoder.onnx')
    await page.goto(host.url)
    await expect(page.getByRole('alert')).toContainText('The model could not be loaded.')
    host.missing.clear()
    await page.getByRole('button', { name: 'Try again' }).click()
    await expect(documents(page)).toHaveCount(1)
  } finally {
    await host.close()
  }
})

test('without WebGPU the page says so, and writes on the processor', async ({ baseURL }) => {
  const browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox', '--disable-gpu'] })
  try {
    const page = await browser.newPage({ baseURL })
    await open(page)
    await expect(page.locator('performance-strip')).toContainText('this browser offers no WebGPU')
    await goOn(page)
    await expect(written(page)).toHaveCount(1)
    await expect(written(page)).not.toHaveText('')
    await open(page)
    await goOn(page)
    await expect(written(page)).toHaveCount(2)
    await expect(page.locator('performance-strip')).toContainText('2 reused, 1 computed')
    await page.getByLabel('Read beside it in').selectOption({ label: 'French' })
    await expect(page.locator('text-view .reading')).toHaveCount(4)
    await expect(page.locator('text-view .reading.pending')).toHaveCount(0)
    const error = await page.evaluate(async () => {
      const { load } = await import(new URL('noema.js', document.baseURI).href)
      return load('mini', { backend: 'webgpu' }).catch((error: { code: string }) => error.code)
    })
    expect(error).toBe('webgpu-unavailable')
  } finally {
    await browser.close()
  }
})
