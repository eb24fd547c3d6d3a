import { execFileSync } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { build, type Plugin } from 'vite'
import { writeDeclarations } from './declarations'
import { shaders } from './shaders'

const root = resolve(import.meta.dirname, '..')

/**
 * Builds what the npm package consists of into `lib/`: the library and the element as modules with types, the worker as one file that bundlers take
 * as it is, ONNX Runtime's files and the default model.
 */
export async function buildPackage(): Promise<void> {
  const outDir = join(root, 'lib')
  const bundled = new Set<string>()
  await rm(outDir, { recursive: true, force: true })
  await build({
    configFile: false,
    root,
    base: './',
    logLevel: 'error',
    publicDir: false,
    plugins: [shaders(), notePackages(bundled)],
    worker: {
      format: 'es',
      plugins: () => [shaders(), notePackages(bundled)],
      rollupOptions: { output: { codeSplitting: false, minify: true, entryFileNames: 'assets/[name].js', assetFileNames: fileName } },
    },
    build: {
      outDir,
      target: 'es2022',
      assetsInlineLimit: 0,
      // The bundler of the page that uses it does that.
      minify: false,
      modulePreload: false,
      rollupOptions: {
        input: { index: 'src/api/index.ts', element: 'src/element/index.ts' },
        external: /^lit($|\/)/,
        preserveEntrySignatures: 'strict',
        output: { entryFileNames: '[name].js', chunkFileNames: 'assets/[name].js', assetFileNames: fileName },
      },
    },
  })
  await writeFile(join(outDir, 'licences.md'), await licencesOf([...bundled].sort()))
  writeDeclarations(root, ['src/api/index.ts', 'src/element/index.ts'], join(outDir, 'types'))
  await cp(join(root, 'public/models'), join(outDir, 'models'), { recursive: true })
}

const fileName = 'assets/[name][extname]'

/** Notes the folders of the packages whose code is in the output. */
function notePackages(folders: Set<string>): Plugin {
  return {
    name: 'note-packages',
    generateBundle(_, bundle) {
      for (const output of Object.values(bundle)) {
        for (const id of output.type === 'chunk' ? output.moduleIds : output.originalFileNames) {
          const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(resolve(root, id))?.[0]
          if (folder) folders.add(folder)
        }
      }
    },
  }
}

/** What the licences of the bundled packages ask to be passed on. */
async function licencesOf(folders: readonly string[]): Promise<string> {
  const texts = folders.map(async (folder) => {
    const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry))
    const text = file ? `\n\n${(await readFile(join(folder, file), 'utf8')).trim()}` : ''
    return `## ${name} ${version} (${license})${text}\n`
  })
  return ['# Packages that this one contains\n', ...(await Promise.all(texts))].join('\n')
}

/** The package as npm packs it. */
export interface PackedPackage {
  tarball: string
  /** Paths of its files. */
  files: string[]
}

/**
 * Builds the package, packs it, and installs it in a folder as someone would who wants it.
 *
 * @param folder empty; gets `node_modules/noema` and `node_modules/lit`, which it depends on.
 */
export async function installPackage(folder: string): Promise<PackedPackage> {
  await buildPackage()
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [{ filename, files }] = JSON.parse(packed)
  const installed = join(folder, 'node_modules/noema')
  await mkdir(installed, { recursive: true })
  const tarball = join(folder, filename)
  execFileSync('tar', ['-xzf', tarball, '-C', installed, '--strip-components', '1'])
  await symlink(join(root, 'node_modules/lit'), join(folder, 'node_modules/lit'), 'dir')
  return { tarball, files: files.map(({ path }: { path: string }) => path) }
}
