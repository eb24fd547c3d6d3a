import { defineConfig } from '@playwright/test'
import { launchOptions, ports } from './sites'

const server = { cwd: '..', timeout: 120_000 }
const addressOf = (port: number) => `http://localhost:${port}`

export default defineConfig({
  testDir: '.',
  outputDir: '../test-results',
  timeout: 120_000,
  workers: 2,
  // Room for the edges of letters and lines, not for anything that has moved.
  expect: { timeout: 60_000, toHaveScreenshot: { maxDiffPixelRatio: 0.0003, stylePath: 'pictures.css' } },
  // Other systems draw other letters.
  ignoreSnapshots: process.platform !== 'linux',
  snapshotPathTemplate: '{testDir}/pictures/{arg}{ext}',
  forbidOnly: true,
  reporter: 'list',
  use: {
    baseURL: addressOf(ports.small),
    launchOptions,
    // Every test has a browser of its own: storing the page for its next visit would only slow it down. `offline.spec.ts` allows them.
    serviceWorkers: 'block',
    screenshot: 'only-on-failure',
  },
  webServer: [
    { ...server, command: 'npm start', env: { PORT: String(ports.shipped) }, url: addressOf(ports.shipped) },
    { ...server, command: 'npx tsx e2e/serve.ts', url: addressOf(ports.small) },
  ],
})
