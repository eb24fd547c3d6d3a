import { defineConfig } from '@playwright/test'
import { chromiumArguments, findChromium } from '../cli/chromium'

const port = 4179

export default defineConfig({
  testDir: '.',
  outputDir: '../test-results',
  timeout: 120_000,
  workers: 2,
  expect: { timeout: 60_000 },
  forbidOnly: true,
  reporter: 'list',
  use: {
    baseURL: `http://localhost:${port}`,
    launchOptions: { executablePath: findChromium(), args: chromiumArguments() },
    // Every test has a browser of its own: storing the page for its next visit would only slow it down. `offline.spec.ts` allows them.
    serviceWorkers: 'block',
    screenshot: 'only-on-failure',
  },
  webServer: { command: 'npm start', cwd: '..', env: { PORT: String(port) }, url: `http://localhost:${port}`, timeout: 120_000 },
})
