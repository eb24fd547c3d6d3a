import { expect, test } from '@playwright/test'
import type { NoemaWriter } from '../src/element'

test('an element predicts on the backend that it names; those of one page share an engine only where they name the same', async ({
  page,
}) => {
  await page.goto('/?manual')
  await page.evaluate(async () => {
    await import(new URL('noema.js', document.baseURI).href)
    document.body.innerHTML = `<main><noema-writer id="gpu" backend="webgpu" concept-model="two-tower"></noema-writer>
      <noema-writer id="processor" backend="wasm" concepts="1" value="It rained."></noema-writer>
      <noema-writer id="wrong" backend="gpu" value="It rained."></noema-writer></main>`
    for (const writer of document.querySelectorAll('noema-writer')) writer.settings = { beam: 1 }
  })
  // ONNX Runtime's threads are workers too.
  const engines = () => page.workers().filter((worker) => /\/worker-/.test(worker.url())).length
  const backend = (id: string) =>
    page.locator(`#${id}`).evaluate(async (element: NoemaWriter) => (await element.load()).info.device.backend)
  expect(await page.locator('#wrong').evaluate((element: NoemaWriter) => element.load().catch(({ code }) => code))).toBe('invalid-input')
  await expect(page.locator('#wrong').getByRole('alert')).toContainText('backend must be auto, webgpu or wasm, not gpu.')
  expect(await backend('gpu')).toBe('webgpu')
  expect(await backend('processor')).toBe('wasm')
  expect(engines()).toBe(2)
  await page.locator('#processor').getByRole('button', { name: 'Continue' }).click()
  await expect(page.locator('#processor').getByRole('textbox')).toHaveValue(/^It rained\. \S/)

  // Asked at once, before the element has been drawn again.
  const changed = await page.locator('#gpu').evaluate(async (element: NoemaWriter) => {
    element.backend = 'wasm'
    return (await element.load()).info.device.backend
  })
  expect(changed).toBe('wasm')
  await expect.poll(engines).toBe(1)

  await page.locator('#wrong').evaluate((element) => element.removeAttribute('backend'))
  expect(await page.locator('#wrong').evaluate((element: NoemaWriter) => element.backend)).toBe('auto')
  await page.locator('#wrong').evaluate((element) => element.removeAttribute('language'))
  await page.locator('#wrong').evaluate((element: NoemaWriter) => element.updateComplete)
  await expect(page.locator('#wrong').getByRole('textbox')).toHaveAttribute('lang', 'en')
})
