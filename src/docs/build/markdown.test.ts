import { expect, test } from 'vitest'
import { renderMarkdown, slug } from './markdown'

test('tags and script links of a text that is not our own never become part of the page', () => {
  const html = renderMarkdown(
    '<img src=x onerror=alert(1)> [here](javascript:alert(1)) [there](https://noema.example)\n\n<script>alert(1)</script>',
  )
  expect(html).not.toMatch(/<(img|script)|href="javascript/)
  expect(html).toContain('&lt;img')
  expect(html).toContain('<a href="https://noema.example">')
  expect(renderMarkdown('<round-trip-figure></round-trip-figure>', { trusted: true })).toContain('<round-trip-figure>')
})

test('a heading can be linked to by its words, and the first of the same words by them', () => {
  expect(slug('`Noema.continue()`')).toBe('noema.continue')
  expect(slug('Your own model')).toBe('your-own-model')
  expect(renderMarkdown('# A b\n\n# A b')).toBe('<h1 id="a-b">A b</h1>\n<h1>A b</h1>\n')
})

test('a table scrolls by itself, and an empty corner is no heading', () => {
  const html = renderMarkdown('| | x |\n|:--|---|\n| a | b |')
  expect(html).toMatch(/^<div class="table" tabindex="0"><table>/)
  expect(html).toContain('<td style="text-align:left"></td>\n<th>x</th>')
})
