import { expect, test } from '@playwright/test'
import { documents, open, sentences } from './page.testing'

const harmful = [
  '<img src=x onerror="window.harmed=1"> came by.',
  '<script>window.harmed=1</script> He left.',
  '"><svg onload=window.harmed=1> It rained.',
  '<a href="javascript:window.harmed=1">Click</a> here.',
  '{{window.harmed=1}} was written there.',
]

test('what is pasted stays text, in the text, the list, the map and the title', async ({ page }) => {
  await open(page)
  await page.getByRole('button', { name: 'New', exact: true }).click()
  await page.getByLabel('Your sentences').fill(harmful.join(' '))
  await page.getByRole('button', { name: 'Add without continuing' }).click()
  await expect(sentences(page).first()).toContainText('<img src=x')
  await page.getByRole('button', { name: 'Rename' }).click()
  await page.getByLabel('Title', { exact: true }).fill(harmful[0]!)
  await page.getByLabel('Title', { exact: true }).press('Enter')
  await expect(documents(page).first()).toContainText('<img src=x')
  await page.getByLabel('Remember this document').check()
  await page.getByRole('searchbox').fill(harmful[0]!)
  await page.getByRole('searchbox').press('Enter')
  await expect(page.locator('found-sentences').getByText('<img src=x', { exact: false }).first()).toBeVisible()
  await sentences(page).nth(1).hover()
  expect(await page.locator('img, text-view script, text-view svg, text-view a, document-list svg').count()).toBe(0)
  expect(await page.evaluate(() => 'harmed' in window)).toBe(false)
})

test('a hostile file is refused in a sentence or shown as text, and nothing is lost', async ({ page }) => {
  await open(page)
  const load = (name: string, content: string) =>
    page.getByLabel('Document file to import').setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(content) })
  const sentence = (text: unknown, rest = {}) => ({ text, language: 'eng_Latn', ...rest })
  const file = (sentences: unknown[], rest = {}) => JSON.stringify({ format: 'noema-document', formatVersion: 1, sentences, ...rest })
  const refused = [
    '<!doctype html><script>window.harmed=1</script>',
    '{"format":"noema-document"',
    file([], { formatVersion: 2 }),
    file([sentence({ toString: 'x' })]),
    file([sentence('Hello.', { language: '__proto__' })]),
    file([sentence('Hello.', { language: 'tlh_Latn' })]),
    file([sentence('Hello.', { concept: { space: 'a'.repeat(64), vector: ['1'] } })]),
    file([sentence('Hello.')], { title: 'x'.repeat(100_000) }),
  ]
  for (const [i, content] of refused.entries()) {
    await load(`${i}.json`, content)
    await expect(page.getByRole('alert')).toContainText(/.{20}/)
    await page.getByRole('button', { name: 'Dismiss' }).click()
    await expect(documents(page)).toHaveCount(1)
  }
  await load(
    'text.json',
    file(
      harmful.map((text) => sentence(text)),
      { title: harmful[1] },
    ),
  )
  await expect(sentences(page)).toHaveText(harmful)
  await expect(documents(page)).toHaveCount(2)
  expect(await page.evaluate(() => 'harmed' in window)).toBe(false)
})
