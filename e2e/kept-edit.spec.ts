import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, test } from '@playwright/test'
import { deployNewerBuild, hostFolder } from './host'
import { documents, sentences } from './page.testing'

const dist = resolve(import.meta.dirname, '../dist')
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

test.use({ serviceWorkers: 'allow' })

test('a sentence that is being edited is still so when the model is there, after another document, and after an update', async ({
  page,
}) => {
  const folder = mkdtempSync(join(tmpdir(), 'noema-edit-'))
  const host = await hostFolder(dist, { headers })
  const field = page.getByLabel('New text of the sentence')
  try {
    await page.goto(host.url)
    await sentences(page).nth(1).click()
    await page.getByRole('button', { name: 'Edit', exact: true }).click()
    await field.fill('She had a dog.')
    await expect(page.locator('performance-strip')).toContainText(/Available offline\s*yes/)
    await expect(field).toHaveValue('She had a dog.')
    await expect(field).toBeFocused()

    await page.getByRole('button', { name: 'New', exact: true }).click()
    await expect(sentences(page)).toHaveCount(0)
    await expect(field).toHaveCount(0)
    await documents(page).last().click()
    await expect(field).toHaveValue('She had a dog.')
    await field.fill('She had a dog. It was')

    deployNewerBuild(host, folder)
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
    await page.locator('offline-notice').getByRole('button', { name: 'Reload' }).click()
    await expect(page.locator('offline-notice').getByRole('button')).toHaveCount(0)
    await expect(sentences(page)).toHaveText([/^Once/, 'She lived near a big forest.'])
    await expect(field).toHaveValue('She had a dog. It was')
    await field.fill('She had a dog. It was black.')
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await expect(sentences(page)).toHaveText([/^Once/, 'She had a dog.', 'It was black.'])
    await expect(field).toHaveCount(0)

    await sentences(page).first().click()
    await page.getByRole('button', { name: 'Edit', exact: true }).click()
    await field.fill('This is left.')
    await sentences(page).nth(1).click()
    await expect(page.getByRole('button', { name: 'Edit', exact: true })).toBeVisible()
    await sentences(page).first().click()
    await expect(field).toHaveCount(0)
  } finally {
    await host.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
