import { expect, test } from '@playwright/test'

const parts = ['box', 'text', 'controls', 'button', 'continue', 'stop', 'status', 'progress', 'progress-text', 'error']

const properties = {
  '--noema-text': ['color', 'rgb(1, 2, 3)', 'textarea'],
  '--noema-quiet': ['color', 'rgb(2, 3, 4)', '[part=status]'],
  '--noema-background': ['backgroundColor', 'rgb(3, 4, 5)', '.box'],
  '--noema-border': ['borderTopColor', 'rgb(4, 5, 6)', '.box'],
  '--noema-accent': ['backgroundColor', 'rgb(5, 6, 7)', '.continue'],
  '--noema-on-accent': ['color', 'rgb(6, 7, 8)', '.continue'],
  '--noema-error': ['color', 'rgb(7, 8, 9)', '.error'],
  '--noema-font': ['fontFamily', 'monospace', 'textarea'],
  '--noema-radius': ['borderTopLeftRadius', '3px', '.box'],
  '--noema-min-height': ['minHeight', '99px', 'textarea'],
  '--noema-max-height': ['maxHeight', '199px', 'textarea'],
} as const

test('a page styles every part, sets every custom property and fills every slot that the README names', async ({ page }) => {
  await page.goto('/?manual')
  const styled = await page.evaluate(
    async ({ parts, properties }) => {
      await import(new URL('noema.js', document.baseURI).href)
      const rules = parts.map((part, i) => `noema-writer::part(${part}) { --order-${part}: ${i} }`)
      const settings = Object.entries(properties).map(([name, [, value]]) => `${name}: ${value};`)
      document.head.insertAdjacentHTML('beforeend', `<style>noema-writer { ${settings.join(' ')} } ${rules.join('\n')}</style>`)
      document.body.innerHTML = `<noema-writer value="It rained."><span slot="label">A diary</span><b slot="continue">Go on</b><i slot="stop">Halt</i></noema-writer>`
      const writer = document.querySelector('noema-writer')!
      await writer.updateComplete
      const style = (selector: string) => getComputedStyle(writer.shadowRoot!.querySelector(selector)!)
      const set = Object.entries(properties).map(([name, [property, , selector]]) => [name, style(selector)[property]])
      const load = writer.load().catch(() => undefined)
      await new Promise((told) => writer.addEventListener('noema-progress', told, { once: true }))
      await writer.updateComplete
      const found = parts.filter((part, i) => style(`[part~="${part}"]`).getPropertyValue(`--order-${part}`) === String(i))
      writer.remove()
      await load
      document.body.append(writer)
      return { set: Object.fromEntries(set), found }
    },
    { parts, properties },
  )
  expect(styled.set).toEqual(Object.fromEntries(Object.entries(properties).map(([name, [, value]]) => [name, value])))
  expect(styled.found).toEqual(parts)
  await expect(page.getByRole('textbox', { name: 'A diary' })).toHaveValue('It rained.')
  await expect(page.getByRole('button', { name: 'Go on' })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Halt' })).toBeVisible()
})
