import MarkdownIt from 'markdown-it'

/**
 * Markdown → HTML. Headings get ids after their words, and tables a box of their own that scrolls.
 *
 * @param trusted whether tags in the text are kept; otherwise they are shown as text. Links that would run a script are never made.
 */
export function renderMarkdown(text: string, { trusted = false } = {}): string {
  const markdown = new MarkdownIt({ html: trusted })
  const { rules } = markdown.renderer
  const taken = new Set<string>()
  rules.heading_open = (tokens, index, options, _, renderer) => {
    const id = slug(tokens[index + 1]?.content ?? '')
    if (!taken.has(id)) tokens[index]?.attrSet('id', id)
    taken.add(id)
    return renderer.renderToken(tokens, index, options)
  }
  rules.table_open = () => '<div class="table" tabindex="0"><table>'
  rules.table_close = () => '</table></div>'
  // A corner of a table is no heading.
  return markdown.render(text).replace(/<th( [^>]*)?><\/th>/g, '<td$1></td>')
}

/** The first word and the dotted name behind it: `Noema.continue(text, …)` → `noema.continue`; `Your own model` → `your-own-model`. */
export function slug(heading: string): string {
  return heading
    .replaceAll('`', '')
    .replace(/\(.*$/, '')
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}.]+/gu, '-')
}
