import { expect, type Page, test } from '@playwright/test'
import { expectSound } from './access.testing'
import { documents, idle, open, sentences } from './page.testing'
import { serveSummarisers } from './summary-manifest'

const fold = (page: Page) => page.locator('summary-tool summary')
const share = (page: Page) => page.getByRole('spinbutton', { name: 'Most sentences, in % of the text' })
const summarise = (page: Page) => page.getByRole('button', { name: 'Summarise', exact: true })
const result = (page: Page) => page.locator('summary-tool .result')

test('a text is summarised beside itself, in another language too, and the summary opened as a document of its own', async ({
  page,
  context,
}) => {
  await serveSummarisers(context, 'two-tower', 'base-lcm')
  await open(page)
  await fold(page).click()
  await expect(share(page)).toHaveValue('20')
  await page.getByLabel('Your sentences').fill('They saw a house.')
  await page.getByLabel('Write in', { exact: true }).selectOption({ label: 'French' })
  await summarise(page).click()
  await expect(result(page)).toHaveText(/\p{L}/u)
  await expect(result(page)).toHaveAttribute('lang', 'fr')
  await idle(page)
  await expect(page.getByRole('alert')).toHaveCount(0)
  await expect(sentences(page)).toHaveText([/^Once/, /^She/, 'They saw a house.'])
  await expect(page.locator('performance-strip')).toContainText('0 reused, 4 computed')

  await page.getByRole('button', { name: '30%' }).click()
  await expect(share(page)).toHaveValue('30')
  await summarise(page).click()
  await expect(page.locator('performance-strip')).toContainText('4 reused, 0 computed')
  await idle(page)
  const summary = await result(page).textContent()
  await page.getByRole('button', { name: 'Open as a new document' }).click()
  await expect(documents(page)).toHaveCount(2)
  await expect.poll(async () => (await sentences(page).allTextContents()).join(' ')).toBe(summary?.replace(/\s+/g, ' '))
  await expect(sentences(page).first()).toHaveAttribute('lang', 'fr')
  await expect(result(page)).toHaveCount(0)
})

test('the keyboard summarises and stops, a share is kept within bounds, and axe finds nothing wrong', async ({ page, context }) => {
  await serveSummarisers(context, 'two-tower')
  await open(page)
  await fold(page).focus()
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  await expect(share(page)).toBeFocused()
  await page.keyboard.press('Control+a')
  await page.keyboard.type('900')
  await page.keyboard.press('Tab')
  await expect(share(page)).toHaveValue('100')
  await expect(page.getByRole('button', { name: '10%' })).toBeFocused()
  await page.keyboard.press('Space')
  await expect(share(page)).toHaveValue('10')
  await expect(page.getByRole('button', { name: '10%' })).toHaveAttribute('aria-pressed', 'true')
  await summarise(page).focus()
  await page.keyboard.press('Enter')
  await expect(result(page)).toHaveText(/\p{L}/u)
  await idle(page)
  for (const [theme, width] of [
    ['light', 1280],
    ['dark', 320],
  ] as const) {
    await page.setViewportSize({ width, height: 800 })
    await page.getByLabel('Colours').selectOption(theme)
    await expectSound(page)
  }

  await page.getByLabel('Denoising steps', { exact: true }).fill('100')
  await page.getByLabel('Denoising steps', { exact: true }).blur()
  await share(page).fill('100')
  await summarise(page).focus()
  await page.keyboard.press('Enter')
  await page.keyboard.press('Escape')
  await expect(page.getByRole('status').first()).toHaveText('Stopped.')
  await expect(sentences(page)).toHaveCount(2)

  await page.getByLabel('Concept model', { exact: true }).selectOption('base-lcm')
  await expect(page.locator('summary-tool')).toContainText('base-lcm has not learnt to summarise.')
  await expect(summarise(page)).toBeDisabled()
  await expect(share(page)).toBeDisabled()
  await expectSound(page)
})

test('a document without sentences has no summary', async ({ page, context }) => {
  await serveSummarisers(context, 'two-tower')
  await open(page)
  await page.getByRole('button', { name: 'New', exact: true }).click()
  await expect(sentences(page)).toHaveCount(0)
  await fold(page).click()
  await summarise(page).click()
  await expect(page.getByRole('status').first()).toHaveText('Write a sentence first.')
})
