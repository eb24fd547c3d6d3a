import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { chromium, type Page } from '@playwright/test'
import { chromiumArguments, findChromium } from './chromium'
import { serveSite } from './site'

/** A failure to report in one line: a typed error of the library, or wrong usage. */
export class CommandError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

/**
 * Opens the built site in headless Chromium, hands the page over, and closes everything afterwards, whatever happened.
 *
 * @param model a model's name, or the path of a model folder, which is then served beside the site's own models.
 * @param work gets the page, with `noema.js` importable, and the name or URL to load the model by.
 * @param args of the browser.
 */
export async function withPage<T>(model: string, work: (page: Page, model: string) => Promise<T>, args = chromiumArguments()): Promise<T> {
  const folder = modelFolder(model)
  const site = await serveSite(0, folder ? { [folderPath]: folder } : {})
  const browser = await chromium.launch({ executablePath: findChromium(), args })
  try {
    const page = await browser.newPage()
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') console.error(message.text())
    })
    await page.goto(`${site.url}?manual`)
    return await work(page, folder ? `${site.url}${folderPath}/` : model)
  } finally {
    await browser.close()
    await site.close()
  }
}

/** Where a folder given on the command line appears on the site. */
const folderPath = 'models/from-command-line'

function modelFolder(model: string): string | undefined {
  if (/^[\w-]+$/.test(model)) return undefined
  const folder = resolve(model)
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new CommandError('usage', `--model: ${model} is neither a model name nor a folder.`)
  }
  return folder
}
