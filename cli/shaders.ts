import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plugin } from 'vite'

const folder = join(import.meta.dirname, '../shaders')

/** The headers and remarks of a shader are for readers of the source: what is built carries the code alone, line by line for the compiler's messages. */
export function shaderCode(source: string): string {
  return source.replace(/[ \t]*\/\/.*$/gm, '').replace(/^\s+/gm, '')
}

/** SHA-256, in hexadecimal, of the code of shaders by name. */
export function shaderDigest(sources: Record<string, string>): string {
  const named = Object.entries(sources).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify(named.map(([name, source]) => [name, shaderCode(source)])))
    .digest('hex')
}

/** What `*.wgsl?raw` and `virtual:shader-digest` are for Vite. */
export function shaders(): Plugin[] {
  return [
    {
      name: 'shader-code',
      apply: 'build',
      enforce: 'pre',
      load: {
        filter: { id: /\.wgsl\?raw$/ },
        handler: async (id) => `export default ${JSON.stringify(shaderCode(await readFile(id.replace('?raw', ''), 'utf8')))}`,
      },
    },
    {
      name: 'shader-digest',
      resolveId: { filter: { id: /^virtual:shader-digest$/ }, handler: (id) => `\0${id}` },
      load: {
        filter: { id: /^\0virtual:shader-digest$/ },
        async handler() {
          const names = await readdir(folder)
          for (const name of names) this.addWatchFile(join(folder, name))
          const sources = await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')]))
          return `export default ${JSON.stringify(shaderDigest(Object.fromEntries(sources)))}`
        },
      },
    },
  ]
}
