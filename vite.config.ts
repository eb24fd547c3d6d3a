import { join } from 'node:path'
import { playwright } from '@vitest/browser-playwright'
import { build, type Plugin } from 'vite'
import { defineConfig } from 'vitest/config'
import { injectManifest } from 'workbox-build'
import { briefArguments, chromiumArguments, findChromium } from './cli/chromium.ts'
import { shaders } from './cli/shaders.ts'
import { docs, docsEntries } from './src/docs/build/plugin.ts'

/** Cross-origin isolation: ONNX Runtime's wasm threads need it. */
const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

export default defineConfig(({ mode }) => ({
  base: './',
  plugins: [shaders(), docs(), serviceWorker()],
  // A missing file is a 404, not the page.
  appType: 'mpa',
  // ONNX Runtime has a chunk of its own: it changes less often than the worker, and the size budget counts everything but it. What one
  // Continue needs on every machine is one chunk, what it needs on a GPU another: larger chunks compress better.
  worker: {
    format: 'es',
    plugins: () => [shaders()],
    rollupOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'onnx-runtime', test: /node_modules\/onnxruntime-/ },
            { name: 'engine', test: /src\/(engine\/worker|models\/(memory-rules|normalizer|state-rows|temperature|weights))\.ts$/ },
            { name: 'gpu', test: /src\/models\/(base-lcm|cached-model|contextualizer|kernels)\.ts$/ },
          ],
        },
      },
    },
  },
  optimizeDeps: { include: ['@huggingface/tokenizers', 'comlink', 'idb-keyval'], exclude: ['onnxruntime-web'] },
  server: { headers: isolation, fs: { allow: ['..'] } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { index: 'index.html', noema: 'src/element/index.ts', ...docsEntries },
      preserveEntrySignatures: 'exports-only',
      // The library entry keeps its name, so that a page can import it: `import { load } from '…/noema.js'`.
      output: {
        entryFileNames: (chunk) => (chunk.name === 'noema' ? 'noema.js' : 'assets/[name]-[hash].js'),
        codeSplitting: {
          groups: [{ name: 'library', test: /src\/(api|errors)|node_modules\/(@lit|lit-element|lit-html\/lit-html|lit\/index|comlink)/ }],
        },
      },
    },
  },
  test: {
    // By default one is left for Vitest itself, which hardly works: of two cores one would rest.
    maxWorkers: '100%',
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

/** Builds `service-worker.js`, with the list of what it is to keep: everything that was built but the models, which have a store of their own. */
function serviceWorker(): Plugin {
  const name = 'service-worker.js'
  return {
    name: 'service-worker',
    apply: 'build',
    writeBundle: {
      sequential: true,
      order: 'post',
      async handler({ dir = 'dist' }) {
        await build({
          configFile: false,
          root: import.meta.dirname,
          logLevel: 'warn',
          publicDir: false,
          build: {
            outDir: dir,
            emptyOutDir: false,
            target: 'es2022',
            rollupOptions: { input: 'src/offline/service-worker.ts', output: { format: 'iife', entryFileNames: name } },
          },
        })
        const { warnings } = await injectManifest({
          swSrc: join(dir, name),
          swDest: join(dir, name),
          globDirectory: dir,
          globPatterns: ['**/*.{html,css,js,mjs,wasm,svg,png,webmanifest}'],
          globIgnores: ['models/**', 'screenshots/**', name],
          // Vite's hashes name the content already.
          dontCacheBustURLsMatching: /^assets\//,
          maximumFileSizeToCacheInBytes: 2 ** 26,
        })
        for (const warning of warnings) throw new Error(warning)
      },
    },
  }
}

/** A real Chromium with real WebGPU; it is looked for only where tests or measurements are about to run. */
function chromiumBrowser(mode: string) {
  const running = mode === 'test' || mode === 'benchmark'
  const args = mode === 'test' ? briefArguments() : chromiumArguments()
  return {
    enabled: true,
    headless: true,
    screenshotFailures: false,
    provider: playwright(running ? { launchOptions: { executablePath: findChromium(), args } } : {}),
    instances: [{ browser: 'chromium' as const }],
  }
}
