import { resolve } from 'node:path'
import { briefArguments, findChromium } from '../cli/chromium'

/** The model of the tests: small, trained on texts of this repository (`training/fixture`). */
export const smallModel = resolve(import.meta.dirname, 'model')

/** Ports of two servers of the built site: as users get it, and with the small model in the place of `mini`. */
export const ports = { shipped: 4179, small: 4180 }

/**
 * `test.use` of it where a test is about the site with `mini`, or does something before a model has ended, for which the small one is too quick. All
 * others open the site with the small model.
 */
export const shipped = { baseURL: `http://localhost:${ports.shipped}` }

/** How to start the browser. */
export const launchOptions = { executablePath: findChromium(), args: briefArguments() }
