import { playwright } from '@vitest/browser-playwright'
import { defineConfig } from 'vitest/config'
import { chromiumArguments, findChromium } from './cli/chromium.ts'

/** Cross-origin isolation: ONNX Runtime's wasm threads need it. */
const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

export default defineConfig(({ mode }) => ({
  base: './',
  // A missing file is a 404, not the page.
  appType: 'mpa',
  worker: { format: 'es' },
  optimizeDeps: { include: ['@huggingface/tokenizers', 'comlink', 'idb-keyval'], exclude: ['onnxruntime-web'] },
  server: { headers: isolation, fs: { allow: ['..'] } },
  preview: { headers: isolation },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { index: 'index.html', noema: 'src/api/index.ts' },
      preserveEntrySignatures: 'exports-only',
      // The library entry keeps its name, so that a page can import it: `import { load } from '…/noema.js'`.
      output: { entryFileNames: (chunk) => (chunk.name === 'noema' ? 'noema.js' : 'assets/[name]-[hash].js') },
    },
  },
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'unit', testTimeout: 30_000, include: ['src/**/*.test.ts', 'cli/**/*.test.ts'], exclude: ['src/**/*.gpu.test.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'kernels',
          include: ['src/**/*.gpu.test.ts'],
          testTimeout: 120_000,
          browser: chromiumBrowser(mode),
        },
      },
      {
        extends: true,
        test: { name: 'bench', include: [], benchmark: { include: ['bench/*.bench.ts'] }, browser: chromiumBrowser(mode) },
      },
    ],
  },
}))

/** A real Chromium with real WebGPU; it is looked for only where tests or measurements are about to run. */
function chromiumBrowser(mode: string) {
  const running = mode === 'test' || mode === 'benchmark'
  return {
    enabled: true,
    headless: true,
    screenshotFailures: false,
    provider: playwright(running ? { launchOptions: { executablePath: findChromium(), args: chromiumArguments() } } : {}),
    instances: [{ browser: 'chromium' as const }],
  }
}
