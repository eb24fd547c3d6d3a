/**
 * Draws the icons and takes the screenshots that `public/manifest.webmanifest` names, from `icon.svg` and the built page, into `public/`:
 * `npx tsx cli/pictures.ts`. To be run when the icon or the look of the page has changed.
 */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Browser, chromium } from '@playwright/test'
import { chromiumArguments, findChromium } from './chromium'
import { serveSite } from './site'

const folder = resolve(import.meta.dirname, '../public')

const browser = await chromium.launch({ executablePath: findChromium(), args: chromiumArguments() })
const site = await serveSite(0)
try {
  const icon = await readFile(`${folder}/icons/icon.svg`, 'utf8')
  await draw(browser, icon, 192, 'icon-192.png')
  await draw(browser, icon, 512, 'icon-512.png')
  await draw(browser, maskable(icon), 512, 'maskable-512.png')
  await takeScreenshot(browser, { width: 1280, height: 800 }, 1, 'wide.png')
  await takeScreenshot(browser, { width: 390, height: 844 }, 2, 'narrow.png')
} finally {
  await browser.close()
  await site.close()
}

async function draw(browser: Browser, svg: string, size: number, name: string): Promise<void> {
  const page = await browser.newPage({ viewport: { width: size, height: size } })
  await page.setContent(`<style>body { margin: 0 } svg { display: block; width: 100vw }</style>${svg}`)
  await page.screenshot({ path: `${folder}/icons/${name}`, omitBackground: true })
  await page.close()
}

/** Without round corners, and with the drawing inside the circle that every mask leaves: 80% of the width. */
function maskable(icon: string): string {
  return icon.replace(/ rx="\d+"/, '').replace(/(<path[\s\S]*)(<\/svg>)/, '<g transform="translate(51.2 51.2) scale(0.8)">$1</g>$2')
}

async function takeScreenshot(
  browser: Browser,
  viewport: { width: number; height: number },
  deviceScaleFactor: number,
  name: string,
): Promise<void> {
  const page = await browser.newPage({ viewport, deviceScaleFactor, colorScheme: 'light' })
  await page.goto(site.url)
  await page.getByRole('button', { name: /^Continue/ }).click()
  await page.locator('text-view li.generated').nth(2).waitFor({ timeout: 300_000 })
  await page.getByRole('button', { name: /^Stop/ }).click()
  await page.getByText('Stopped.').waitFor()
  await page.screenshot({ path: `${folder}/screenshots/${name}` })
  await page.close()
}
