import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, type Page, test } from '@playwright/test'
import { build } from 'vite'
import { buildPackage } from '../cli/package'
import type * as Api from '../src/api'
import { hostFolder } from './host'

const root = resolve(import.meta.dirname, '..')

test.beforeAll(() => buildPackage())

/** Translates a sentence with the library that the page has put into its global `library`. */
const translate = (page: Page, model: string) =>
  page.evaluate(async (model) => {
    const { load } = (globalThis as unknown as { library: typeof Api }).library
    const noema = await load(model)
    const [translation] = await noema.translate('The dog is in the garden.', { from: 'eng_Latn', to: 'fra_Latn', beam: 1 })
    noema.dispose()
    return translation?.text
  }, model)

test('the package works in a bundle, which takes worker and wasm along, with the model where the page has it', async ({ page }) => {
  const folder = mkdtempSync(join(tmpdir(), 'noema-bundle-'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/noema'), 'dir')
  writeFileSync(join(folder, 'main.js'), "import { load } from 'noema'\nglobalThis.library = { load }")
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>A page</title><script type="module" src="./main.js"></script>')
  await build({ configFile: false, root: folder, logLevel: 'error', publicDir: join(root, 'lib/models'), build: { target: 'es2022' } })
  const host = await hostFolder(join(folder, 'dist'))
  try {
    await page.goto(host.url)
    expect(await translate(page, '/mini/')).toMatch(/\S/)
    expect(host.asked.filter((path) => /^assets\/(worker|ort-).*\.(js|wasm|mjs)$/.test(path)).length).toBeGreaterThanOrEqual(2)
  } finally {
    await host.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

test('the package works as it is from another origin, its model included', async ({ page }) => {
  const host = await hostFolder(join(root, 'lib'), { headers: { 'Access-Control-Allow-Origin': '*' } })
  const site = await hostFolder(import.meta.dirname, { pages: { '': '<!doctype html><title>A page</title>' } })
  try {
    await page.goto(site.url)
    await page.evaluate(async (url) => Object.assign(globalThis, { library: await import(url) }), `${host.url}index.js`)
    expect(await translate(page, 'mini')).toMatch(/\S/)
  } finally {
    await host.close()
    await site.close()
  }
})
