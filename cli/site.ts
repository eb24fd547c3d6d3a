import { readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build, type Plugin, preview } from 'vite'

const root = resolve(import.meta.dirname, '..')
const sources = ['index.html', 'package.json', 'vite.config.ts', 'src', 'shaders', 'public']

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
 * @param plugins Vite plugins for the server, for example one that serves a model folder from elsewhere.
 */
export async function serveSite(port: number, plugins: Plugin[] = []): Promise<Site> {
  await buildIfNeeded()
  const server = await preview({ root, plugins, logLevel: 'warn', preview: { port, host: 'localhost', strictPort: port !== 0 } })
  const address = server.httpServer.address()
  if (!address || typeof address === 'string') throw new Error('The server has no address.')
  return {
    url: `http://localhost:${address.port}/`,
    close: () => server.close(),
  }
}

async function buildIfNeeded(): Promise<void> {
  const newest = Math.max(...sources.map((name) => newestChange(join(root, name))))
  if (builtAt() >= newest) return
  console.error('Building…')
  await build({ root, logLevel: 'error' })
}

function builtAt(): number {
  try {
    return statSync(join(root, 'dist/index.html')).mtimeMs
  } catch {
    return 0
  }
}

function newestChange(path: string): number {
  const entry = statSync(path)
  if (!entry.isDirectory()) return entry.mtimeMs
  return Math.max(entry.mtimeMs, ...readdirSync(path).map((name) => newestChange(join(path, name))))
}
