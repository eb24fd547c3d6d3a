import { expect, type Page, test } from '@playwright/test'
import { expectSound } from './access.testing'
import { continueButton, open, sentences, setDials } from './page.testing'

/** In both themes, and on a phone. */
async function expectSoundEverywhere(page: Page): Promise<void> {
  for (const [colorScheme, width] of [
    ['light', 1280],
    ['dark', 320],
  ] as const) {
    await page.setViewportSize({ width, height: 800 })
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await expectSound(page)
  }
  await page.setViewportSize({ width: 1280, height: 800 })
}

test('axe finds nothing while the model is awaited, when it cannot be had, and when it is tried again', async ({ page, context }) => {
  await context.route('**/models/**', () => undefined)
  await page.goto('/')
  await continueButton(page).click()
  await expect(page.getByRole('status').first()).toHaveText('Starts as soon as the model is ready.')
  await expectSoundEverywhere(page)
  await context.unrouteAll()
  await context.route('**/models/**', (route) => route.fulfill({ status: 404 }))
  await page.reload()
  await expect(page.getByRole('alert')).toContainText('The model could not be loaded.')
  await expectSoundEverywhere(page)
  await context.unrouteAll()
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByRole('progressbar')).toHaveCount(0)
  await setDials(page)
  await expectSoundEverywhere(page)
})

test('axe finds nothing while a sentence is edited, a title changed, a document about to be deleted, and in an empty one', async ({
  page,
}) => {
  await open(page)
  await page.setViewportSize({ width: 320, height: 800 })
  await page.getByRole('button', { name: 'Documents' }).click()
  await page.setViewportSize({ width: 1280, height: 800 })
  await sentences(page).last().click()
  await page.getByRole('button', { name: 'Edit', exact: true }).click()
  const field = page.getByLabel('New text of the sentence')
  await expectSoundEverywhere(page)
  // Beside the end of a line too, the field is wholly there to be seen.
  const [outer, inner] = [await page.locator('text-view ol').boundingBox(), await field.boundingBox()]
  expect(inner!.x + inner!.width).toBeLessThanOrEqual(outer!.x + outer!.width + 1)
  await field.press('Escape')
  await page.getByRole('button', { name: 'Rename' }).click()
  await expect(page.getByLabel('Title', { exact: true })).toBeVisible()
  await expectSoundEverywhere(page)
  await page.getByLabel('Title', { exact: true }).press('Escape')
  await page.getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByRole('dialog')).toBeVisible()
  await expectSoundEverywhere(page)
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
  await page.getByRole('button', { name: 'New', exact: true }).click()
  await expect(sentences(page)).toHaveCount(0)
  await expectSoundEverywhere(page)
})

test('with a tool open, the text keeps its room on a small screen', async ({ page }) => {
  await open(page)
  await page.setViewportSize({ width: 1280, height: 640 })
  await page.getByText('Outline, then expand').click()
  const { height } = (await page.locator('text-view').boundingBox())!
  expect(height).toBeGreaterThan(200)
  await page.getByRole('button', { name: 'Expand into the text' }).scrollIntoViewIfNeeded()
  await expect(page.getByRole('button', { name: 'Expand into the text' })).toBeInViewport()
})
