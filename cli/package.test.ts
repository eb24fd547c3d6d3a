import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { publint } from 'publint'
import ts from 'typescript'
import { build, type Rollup } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { installPackage, type PackedPackage } from './package'

const folder = mkdtempSync(join(tmpdir(), 'noema-package-'))
let packed: PackedPackage

beforeAll(async () => {
  packed = await installPackage(folder)
}, 240_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('publint and Are the Types Wrong have nothing to say', { timeout: 120_000 }, async () => {
  const { messages } = await publint({ pkgDir: join(folder, 'node_modules/noema'), pack: false, strict: true })
  expect(messages).toEqual([])
  const attw = resolve(import.meta.dirname, '../node_modules/@arethetypeswrong/cli/dist/index.js')
  // It ends with an error code, which throws here, where it finds something.
  execFileSync(process.execPath, [attw, packed.tarball, '--profile', 'esm-only', '--format', 'ascii'], { encoding: 'utf8' })
})

test('it holds what is needed and nothing else', () => {
  const { files } = packed
  expect(files).toEqual(
    expect.arrayContaining([
      'LICENSE',
      'README.md',
      'package.json',
      'lib/index.js',
      'lib/element.js',
      'lib/licences.md',
      'lib/assets/worker.js',
      'lib/assets/ort-wasm-simd-threaded.wasm',
      'lib/assets/ort-wasm-simd-threaded.mjs',
      'lib/models/mini/manifest.json',
      'lib/models/mini/MODEL_CARD.md',
    ]),
  )
  expect(files.filter((path) => !/^(lib\/|LICENSE$|README\.md$|package\.json$)/.test(path))).toEqual([])
  expect(files.filter((path) => /\.test\.|\.testing\./.test(path))).toEqual([])
  const licences = readFileSync(join(folder, 'node_modules/noema/lib/licences.md'), 'utf8')
  for (const name of ['@huggingface/tokenizers', 'comlink', 'idb-keyval', 'onnxruntime-web']) expect(licences).toContain(`## ${name} `)
  const types = files.filter((path) => path.endsWith('.d.ts')).map((path) => readFileSync(join(folder, 'node_modules/noema', path), 'utf8'))
  const imported = types.flatMap((text) => Array.from(text.matchAll(/(?:from |import\()['"]([^.'"][^'"]*)/g), ([, name]) => name))
  expect([...new Set(imported)]).toEqual(['lit'])
})

test('its types hold under the strictest settings, without those of this project', { timeout: 120_000 }, () => {
  const file = join(folder, 'typed.ts')
  writeFileSync(
    file,
    `import { type Concept, load, NoemaError } from 'noema'
     import type { NoemaWriter } from 'noema/element'
     export async function write(writer: NoemaWriter): Promise<string[]> {
       const noema = await load('mini', { onProgress: ({ loaded, total }) => console.log(loaded / total) })
       const written: string[] = [writer.value]
       try {
         for await (const concept of noema.continue('It rained.', { concepts: 2, seed: 1 })) written.push((concept satisfies Concept).text)
       } catch (error) {
         if (error instanceof NoemaError) written.push(error.code)
       }
       // @ts-expect-error A seed is a number.
       noema.continue('It rained.', { seed: '1' })
       return written
     }`,
  )
  const program = ts.createProgram([file], {
    strict: true,
    noEmit: true,
    types: [],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ['lib.es2024.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.dom.asynciterable.d.ts'],
  })
  expect(ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([])
})

test('who imports `load` alone gets no element, and the worker and the wasm as files', { timeout: 120_000 }, async () => {
  const library = await bundle("import { load } from 'noema'\nglobalThis.load = load")
  const code = library.flatMap((file) => (file.type === 'chunk' ? [file.code] : [])).join('\n')
  expect(code).toContain('models/')
  expect(code).not.toMatch(/noema-writer|customElements|lit-|reactive/i)
  const unused = await bundle("import { load } from 'noema'\nimport 'noema'")
  expect(unused.map((file) => (file.type === 'chunk' ? file.code.trim() : '')).join('')).toBe('')
  expect(library.map(({ fileName }) => fileName).filter((name) => /\.wasm$|worker.*\.js$/.test(name))).toHaveLength(2)
  const element = await bundle("import 'noema/element'")
  expect(element.map((file) => (file.type === 'chunk' ? file.code : '')).join('')).toContain('noema-writer')
})

/** What a bundler makes of a module that uses the package. */
async function bundle(source: string): Promise<Rollup.RollupOutput['output']> {
  const input = join(folder, 'main.js')
  writeFileSync(input, source)
  const { output } = (await build({
    configFile: false,
    root: folder,
    logLevel: 'error',
    publicDir: false,
    build: { write: false, minify: false, modulePreload: false, target: 'es2022', assetsInlineLimit: 0, rollupOptions: { input } },
  })) as Rollup.RollupOutput
  return output
}
