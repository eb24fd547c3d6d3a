export interface Page {
  /** Of its file. */
  name: string
  /** In the navigation. */
  title: string
  /** The module it needs beside the one of all pages, from the root. */
  script?: string
}

/** All pages, in the order of the navigation. */
export const pages: readonly Page[] = [
  { name: 'index', title: 'Quick start' },
  { name: 'how-it-works', title: 'How it works', script: '/src/docs/figures/index.ts' },
  { name: 'reference', title: 'API reference' },
  { name: 'model-card', title: 'Model card' },
  { name: 'own-model', title: 'Your own model' },
  { name: 'privacy', title: 'Privacy', script: '/src/docs/erase-everything.ts' },
]

/** A whole page around its content, which is HTML. */
export function layout(page: Page, content: string): string {
  const links = pages.map(({ name, title }) => {
    const current = name === page.name ? ' aria-current="page"' : ''
    return `<a href="./${name}.html"${current}>${title}</a>`
  })
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${page.title} · Noema</title>
    <link rel="icon" href="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>${mark('%236b7cff', '%23ff8a3d')}</svg>" />
    <link rel="stylesheet" href="/src/app/style.css" />
    <link rel="stylesheet" href="/src/docs/style.css" />
    <script type="module" src="/src/docs/index.ts"></script>
    ${page.script ? `<script type="module" src="${page.script}"></script>` : ''}
  </head>
  <body>
    <a class="skip" href="#content">To the text</a>
    <header>
      <a class="home" href="../index.html"><svg viewBox="0 0 16 16" aria-hidden="true">${mark('var(--accent)', 'var(--new)')}</svg>Noema</a>
      <nav aria-label="Documentation">${links.join('')}</nav>
    </header>
    <main id="content" tabindex="-1">${content}</main>
  </body>
</html>
`
}

function mark(one: string, other: string): string {
  return `<circle cx='4' cy='11' r='2.5' fill='${one}'/><circle cx='11.5' cy='4.5' r='3' fill='${other}'/>`
}
