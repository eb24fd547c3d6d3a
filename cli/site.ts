import { readdirSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import sirv from 'sirv'

const root = resolve(import.meta.dirname, '..')
const built = join(root, 'dist')
const sources = ['index.html', 'package.json', 'vite.config.ts', 'cli/shaders.ts', 'src', 'shaders', 'public']

/** Cross-origin isolation, which ONNX Runtime's threads need; a browser asks again whether it has the newest file. */
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cache-Control': 'no-cache',
}

/** A running server of the built site. */
export interface Site {
  /** Ends with a slash. */
  url: string
  close(): Promise<void>
}

/**
 * Builds the site if any source is newer than the last build, and serves it with cross-origin isolation.
 *
 * @param port the port to listen on; 0 lets the system choose.
 * @param folders served as well, by their paths on the site, such as `models/mine`.
 */
export async function serveSite(port: number, folders: Record<string, string> = {}): Promise<Site> {
  await buildIfNeeded()
  const site = sirv(built, { etag: true })
  const others = Object.entries(folders).map(([path, folder]) => ({ path: `/${path}/`, serve: sirv(folder, { etag: true }) }))
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    const missing = () => {
      response.writeHead(404).end()
    }
    const other = others.find(({ path }) => request.url?.startsWith(path))
    if (!other) return site(request, response, missing)
    request.url = request.url!.slice(other.path.length - 1)
    other.serve(request, response, missing)
  })
  await new Promise<void>((listening, failed) => server.once('error', failed).listen(port, 'localhost', listening))
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close() {
      server.closeAllConnections()
      return new Promise((closed) => server.close(() => closed()))
    },
  }
}

/** Vite is loaded only for this: it takes longer than everything else that a command does before its browser runs. */
async function buildIfNeeded(): Promise<void> {
  const newest = Math.max(...sources.map((name) => newestChange(join(root, name))))
  if (builtAt() >= newest) return
  console.error('Building…')
  const { build } = await import('vite')
  await build({ root, logLevel: 'error' })
}

function builtAt(): number {
  try {
    return statSync(join(built, 'index.html')).mtimeMs
  } catch {
    return 0
  }
}

function newestChange(path: string): number {
  const entry = statSync(path)
  if (!entry.isDirectory()) return entry.mtimeMs
  return Math.max(entry.mtimeMs, ...readdirSync(path).map((name) => newestChange(join(path, name))))
}
