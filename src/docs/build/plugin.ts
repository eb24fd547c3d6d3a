import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Plugin } from 'vite'
import { layout, type Page, pages } from './layout.ts'

const root = resolve(import.meta.dirname, '../../..')

/** The pages as entries of the build, by name; each is built to `docs/<name>.html`. */
export const docsEntries = Object.fromEntries(pages.map(({ name }) => [`docs-${name}`, entryOf(name)]))

/** Makes the pages of the documentation out of Markdown, the model card and the library's types, as if they lay in `docs/`. */
export function docs(): Plugin {
  const byEntry = new Map(pages.map((page) => [entryOf(page.name), page]))
  return {
    name: 'docs',
    apply: 'build',
    resolveId: { filter: { id: /\.html$/ }, handler: (id) => (byEntry.has(id) ? id : null) },
    load: {
      filter: { id: /\.html$/ },
      async handler(id) {
        const page = byEntry.get(id)
        return page ? layout(page, await contentOf(page)) : null
      },
    },
  }
}

function entryOf(name: string): string {
  return join(root, `docs/${name}.html`)
}

/** The libraries are loaded only where the documentation is built: the same configuration serves the tests. */
async function contentOf({ name }: Page): Promise<string> {
  const { renderMarkdown } = await import('./markdown.ts')
  if (name === 'model-card') return renderMarkdown(await readFile(join(root, 'public/models/mini/MODEL_CARD.md'), 'utf8'))
  if (name === 'reference') return renderMarkdown(await (await import('./reference.ts')).apiReference(root))
  return renderMarkdown(await readFile(join(root, `src/docs/pages/${name}.md`), 'utf8'), { trusted: true })
}
