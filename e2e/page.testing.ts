import { expect, type Page } from '@playwright/test'

/** A page whose dials are set low, so that the software adapter of the tests is quick. */
export async function open(page: Page, { concepts = 1 } = {}): Promise<void> {
  await page.goto('/')
  await expect(page.getByRole('progressbar')).toHaveCount(0)
  await setDials(page, concepts)
}

/** Sets the dials of an open page low. */
export async function setDials(page: Page, concepts = 1): Promise<void> {
  await page.getByLabel('Sentences', { exact: true }).fill(String(concepts))
  await page.getByLabel('Concept model', { exact: true }).selectOption('two-tower')
  await page.getByLabel('Denoising steps', { exact: true }).fill('4')
  await page.getByLabel('Beam', { exact: true }).fill('1')
  await page.getByLabel('Beam', { exact: true }).blur()
}

export const sentences = (page: Page) => page.locator('text-view li .sentence')
export const written = (page: Page) => page.locator('text-view li.generated .sentence')
export const continueButton = (page: Page) => page.getByRole('button', { name: /^Continue/ })
export const stopButton = (page: Page) => page.getByRole('button', { name: /^Stop/ })
export const documents = (page: Page) => page.locator('document-list .document')
export const idle = (page: Page) => expect(continueButton(page)).toBeEnabled()

/** Continues by as many sentences as the dial says; meanwhile, however short that is, it can be stopped. */
export async function goOn(page: Page): Promise<void> {
  const canStop = await stopButton(page).evaluateHandle((stop) => ({
    seen: new Promise<void>((seen) => {
      const look = () => stop.getAttribute('aria-disabled') === 'false' && seen()
      new MutationObserver(look).observe(stop, { attributes: true })
    }),
  }))
  await continueButton(page).click()
  await canStop.evaluate(({ seen }) => seen)
  await idle(page)
}
