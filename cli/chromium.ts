import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium as playwrightChromium } from '@playwright/test'

/** Arguments that give every browser this project starts WebGPU: the machine's own adapter, or SwiftShader where there is none. */
export function chromiumArguments(): string[] {
  const common = [
    '--no-sandbox',
    '--enable-unsafe-webgpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
    '--disable-quic',
  ]
  return hasGpu() ? [...common, '--enable-features=Vulkan'] : [...common, '--use-webgpu-adapter=swiftshader']
}

/**
 * The same for commands and tests, whose pages mostly live for seconds: V8 waits longer before it optimises code of ONNX Runtime, which takes more
 * time than such a page gains by it. Not for measurements.
 */
export function briefArguments(): string[] {
  return [...chromiumArguments(), '--js-flags=--wasm-tiering-budget=100000000']
}

/**
 * The Chromium to drive, in this order: `NOEMA_CHROMIUM`, one on PATH, Playwright's own, one installed now by the system's package
 * manager.
 *
 * @throws Error with one sentence that says what to do, when none of them works.
 */
export function findChromium(): string {
  const named = process.env.NOEMA_CHROMIUM
  if (named) {
    if (existsSync(named)) return named
    throw new Error(`NOEMA_CHROMIUM names ${named}, which does not exist.`)
  }
  return onPath() ?? playwrightsOwn() ?? install()
}

function onPath(): string | undefined {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
  const folders = (process.env.PATH ?? '').split(delimiter)
  for (const name of names) {
    for (const folder of folders) {
      const file = join(folder, name)
      if (folder && existsSync(file)) return file
    }
  }
  return undefined
}

function playwrightsOwn(): string | undefined {
  const file = playwrightChromium.executablePath()
  return existsSync(file) ? file : undefined
}

/** Each package manager's way to a Chromium; the first one present on the machine is tried, then Playwright's download. */
const installers: [command: string, argumentLists: string[][]][] = [
  [
    'apt-get',
    [
      ['update', '-qq'],
      ['install', '-y', '-qq', 'chromium'],
    ],
  ],
  ['dnf', [['install', '-y', 'chromium']]],
  ['pacman', [['-Sy', '--noconfirm', 'chromium']]],
  ['apk', [['add', 'chromium']]],
]

function install(): string {
  console.error('No Chromium found: installing one.')
  for (const [command, argumentLists] of [...installers, ['npx', [['playwright', 'install', 'chromium']]] as const]) {
    try {
      for (const list of argumentLists) execFileSync(command, list, { stdio: ['ignore', 2, 2] })
    } catch {
      continue
    }
    const found = onPath() ?? playwrightsOwn()
    if (found) return found
  }
  throw new Error('No Chromium was found and none could be installed: install Chromium or Chrome, or set NOEMA_CHROMIUM to one.')
}

function hasGpu(): boolean {
  if (process.env.NOEMA_ADAPTER) return process.env.NOEMA_ADAPTER !== 'swiftshader'
  if (process.platform !== 'linux') return true
  return existsSync('/dev/dri/renderD128') || existsSync('/dev/nvidia0')
}
