import { chromium, expect, test } from '@playwright/test'
import { findChromium } from '../cli/chromium'

const opening = 'Once upon a time there was a little girl. She lived near a big forest.'

test('a visitor writes two sentences and sees the next ones as text and as points', async ({ page }) => {
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(error.message))
  await page.goto('/')
  await expect(page.getByRole('status')).toHaveText(/Ready: mini/)
  await expect(page.locator('#device')).toHaveText(/WebGPU on .+/)

  await page.getByLabel('Your text').fill(opening)
  await page.getByRole('spinbutton', { name: 'Sentences' }).fill('2')
  await page.getByText('More settings').click()
  await page.getByLabel('Denoising steps').fill('4')
  await page.getByRole('button', { name: 'Continue' }).click()
  const sentences = page.locator('#sentences li')
  await expect(sentences.first()).toHaveText('Once upon a time there was a little girl.')
  await expect(page.locator('#sentences li.new')).toHaveCount(2)
  for (const text of await page.locator('#sentences li.new').allTextContents()) expect(text.length).toBeGreaterThan(1)

  await expect(page.getByRole('button', { name: 'Keep them' })).toBeEnabled()
  await page.getByRole('button', { name: 'Keep them' }).click()
  expect(await page.getByLabel('Your text').inputValue()).toContain(`${opening} `)
  expect(problems).toEqual([])
})

test('the text can go on in another language, and stops when told to', async ({ page }) => {
  await page.goto('/')
  await expect(page.getByRole('status')).toHaveText(/Ready/)
  await page.getByLabel('Continue in').selectOption('fra_Latn')
  await page.getByRole('spinbutton', { name: 'Sentences' }).fill('50')
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.locator('#sentences li.new').first()).toHaveAttribute('lang', 'fra')
  await page.getByRole('button', { name: 'Stop' }).click()
  await expect(page.locator('#outcome')).toHaveText('Stopped.')
  await expect(page.getByRole('button', { name: 'Continue' })).toBeEnabled()
})

test('nothing to continue is said in a sentence, and the page goes on', async ({ page }) => {
  await page.goto('/')
  await expect(page.getByRole('status')).toHaveText(/Ready/)
  for (const text of ['', '   \n', '?!… —']) {
    await page.getByLabel('Your text').fill(text)
    await page.getByRole('button', { name: 'Continue' }).click()
    await expect(page.getByRole('alert')).toHaveText(/no sentence/)
  }
  await expect(page.getByRole('button', { name: 'Continue' })).toBeEnabled()
})

test('a text that is far too long is refused in a sentence', async ({ page }) => {
  await page.goto('/')
  await expect(page.getByRole('status')).toHaveText(/Ready/)
  await page.getByLabel('Your text').fill('All work and no play. '.repeat(2000))
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.getByRole('alert')).toHaveText(/2000 sentences/)
  expect(await page.locator('#sentences li').count()).toBe(0)
})

test('what is typed stays text', async ({ page }) => {
  await page.goto('/')
  await expect(page.getByRole('status')).toHaveText(/Ready/)
  await page.getByLabel('Your text').fill('A <img src=x onerror="window.harmed=1"> came by. <script>window.harmed=1</script> He left.')
  await page.getByRole('spinbutton', { name: 'Sentences' }).fill('1')
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.locator('#sentences li.new')).toHaveCount(1)
  expect(await page.locator('#sentences img, #sentences script').count()).toBe(0)
  expect(await page.evaluate(() => 'harmed' in window)).toBe(false)
})

test('without WebGPU the page says why, and still translates', async ({ baseURL }) => {
  const browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox', '--disable-gpu'] })
  try {
    const page = await browser.newPage()
    await page.goto(`${baseURL}/`)
    await expect(page.getByRole('status')).toHaveText(/Ready/)
    await expect(page.locator('#device')).toHaveText(/^No GPU: .+/)
    await expect(page.getByRole('button', { name: 'Continue' })).toBeDisabled()
    const outcome = await page.evaluate(async () => {
      const { load } = await import(new URL('noema.js', document.baseURI).href)
      const noema = await load('mini')
      const translations = await noema.translate('The cat is black.', { from: 'eng_Latn', to: 'fra_Latn' })
      const error = await noema
        .continue('The cat is black.')
        .next()
        .catch((error: { code: string }) => error.code)
      return { translations, error }
    })
    expect(outcome.translations).toHaveLength(1)
    expect(outcome.error).toBe('webgpu-unavailable')
  } finally {
    await browser.close()
  }
})
