import { expect, test } from '@playwright/test'
import { expectSound } from './access.testing'
import { documents, goOn, idle, open, sentences, written } from './page.testing'

test('the keyboard alone is enough', async ({ page }) => {
  await open(page)
  await page.getByLabel('Your sentences').focus()
  await page.keyboard.type('They saw a house.')
  await page.keyboard.press('Control+Enter')
  await expect(written(page)).toHaveCount(1)
  await idle(page)
  await expect(page.getByRole('log')).not.toHaveText('')
  await page.getByLabel('Read beside it in').focus()
  await page.keyboard.press('Tab')
  await expect(sentences(page).first()).toBeFocused()
  await page.keyboard.press('End')
  await expect(sentences(page).last()).toBeFocused()
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  await expect(page.getByRole('button', { name: 'Edit', exact: true })).toBeFocused()
  await page.keyboard.press('Enter')
  await expect(page.getByLabel('New text of the sentence')).toBeFocused()
  await page.keyboard.press('Control+a')
  await page.keyboard.type('They saw a castle.')
  await page.keyboard.press('Enter')
  await expect(sentences(page).nth(2)).toHaveText('They saw a castle.')
  await expect(sentences(page).nth(2)).toBeFocused()
  // What was typed into a dial holds without leaving it, as far as the dial goes.
  const dial = page.getByLabel('Sentences', { exact: true })
  await dial.fill('99')
  await page.keyboard.press('Control+Enter')
  // At once: a text may end by itself after a sentence.
  await page.keyboard.press('Escape')
  await expect(page.getByRole('status').first()).toHaveText('Stopped.')
  await expect(dial).toBeFocused()
  await expect(dial).toHaveValue('50')
})

test('nothing that axe knows of is wrong, in both themes and on a phone, nothing moves sideways at 320 pixels', async ({ page }) => {
  await open(page)
  await goOn(page)
  await page.getByLabel('Read beside it in').selectOption({ label: 'French' })
  await page.getByLabel('Remember this document').check()
  await page.getByRole('searchbox').fill('Where is the girl?')
  await page.getByRole('searchbox').press('Enter')
  await expect(page.locator('found-sentences button').first()).toBeVisible()
  await page.getByText('Outline, then expand').click()
  await page.getByText('The map in words').click()
  await sentences(page).nth(1).click()
  for (const [theme, width] of [
    ['light', 1280],
    ['dark', 1280],
    ['light', 320],
    ['dark', 320],
  ] as const) {
    await page.setViewportSize({ width, height: 800 })
    await page.getByLabel('Colours').selectOption(theme)
    await expectSound(page)
  }
  await page.getByRole('button', { name: 'Documents' }).click()
  await expect(documents(page).first()).toBeVisible()
})
