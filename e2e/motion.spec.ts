import { expect, type Page, test } from '@playwright/test'
import type { NoemaWriter } from '../src/element'
import { goOn, open, sentences } from './page.testing'

interface Motion {
  /** Names of the animations and transitions that ran. */
  animated: string[]
}

/** Notes all that moves on the page from now on, frame by frame. */
async function watch(page: Page): Promise<void> {
  await page.evaluate(() => {
    const roots = (root: Document | ShadowRoot): (Document | ShadowRoot)[] => [
      root,
      ...Array.from(root.querySelectorAll('*')).flatMap(({ shadowRoot }) => (shadowRoot ? roots(shadowRoot) : [])),
    ]
    const motion: Motion = { animated: [] }
    Object.assign(globalThis, { motion })
    const look = () => {
      for (const animation of roots(document).flatMap((root) => root.getAnimations())) {
        const { duration } = animation.effect?.getComputedTiming() ?? {}
        const name = (animation as CSSAnimation).animationName ?? (animation as CSSTransition).transitionProperty ?? animation.id
        if (duration !== 0 && !motion.animated.includes(name)) motion.animated.push(name)
      }
      // The browser moves a bar without a value by itself.
      if (roots(document).some((root) => root.querySelector('progress:indeterminate'))) motion.animated.push('progress')
      requestAnimationFrame(look)
    }
    look()
  })
}

/** @returns what has moved since `watch`, when whatever was begun by now has had the time to. */
async function moved(page: Page): Promise<Motion> {
  await page.waitForTimeout(1500)
  return page.evaluate(() => (globalThis as unknown as { motion: Motion }).motion)
}

/** Has a sentence written, points at one, opens and closes it, and changes the theme. */
async function useThePage(page: Page): Promise<void> {
  const before = await sentences(page).count()
  await goOn(page)
  await expect(sentences(page)).toHaveCount(before + 1)
  await sentences(page).first().click()
  await sentences(page).first().click()
  const theme = page.getByLabel('Colours')
  await theme.selectOption((await theme.inputValue()) === 'dark' ? 'light' : 'dark')
}

test('no style on the page moves for those who want no motion, from one moment to the next', async ({ page }) => {
  await open(page)
  await watch(page)
  await useThePage(page)
  const usual = await moved(page)
  expect(usual.animated).toEqual(expect.arrayContaining(['think', 'born']))

  await page.emulateMedia({ reducedMotion: 'reduce' })
  await watch(page)
  await useThePage(page)
  const reduced = await moved(page)
  expect(reduced.animated).toEqual([])
})

test('nothing in the element moves for those who want no motion', async ({ page }) => {
  await page.goto('/?manual')
  const write = async () => {
    await page.evaluate(() => {
      const writer = document.createElement('noema-writer') as NoemaWriter
      Object.assign(writer, { value: 'It rained. Tom was at home.', concepts: 1, settings: { beam: 1 } })
      document.body.replaceChildren(writer)
    })
    await page.getByRole('button', { name: 'Continue' }).click()
    await expect(page.getByRole('textbox')).toHaveValue(/^It rained\. Tom was at home\. \S/)
  }
  await page.evaluate(() => import(new URL('noema.js', document.baseURI).href))
  await watch(page)
  await write()
  expect((await moved(page)).animated).toContain('write')
  await page.emulateMedia({ reducedMotion: 'reduce' })
  await watch(page)
  await write()
  expect((await moved(page)).animated).toEqual([])
})
