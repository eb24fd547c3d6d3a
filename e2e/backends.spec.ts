import { expect, type Page, test } from '@playwright/test'
import type * as Api from '../src/api'

/** Opens the page anew and works with models freshly loaded on each of the backends; `work` may use nothing but its arguments. */
async function visit<A, R>(
  page: Page,
  backends: Api.Backend[],
  argument: A,
  work: (loaded: Api.Noema[], argument: A) => Promise<R>,
): Promise<R> {
  await page.goto('/?manual')
  return page.evaluate(
    async ([backends, argument, source]) => {
      const { load } = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
      const loaded: Api.Noema[] = []
      for (const backend of backends) loaded.push(await load('mini', { backend }))
      try {
        return await new Function(`return (${source})`)()(loaded, argument)
      } finally {
        for (const noema of loaded) noema.dispose()
      }
    },
    [backends, argument, String(work)] as const,
  )
}

test('the processor predicts what the GPU predicts, with every concept model', async ({ page }) => {
  const { devices, differences, wrong } = await visit(page, ['auto', 'wasm'], null, async (loaded) => {
    const sentences = ['Tom had a red ball.', 'He played with it in the garden.', 'One day the ball was gone.', 'Tom was sad.']
    const settings: Record<string, Api.SamplingSettings> = {
      'two-tower': { steps: 6, guidance: 2, guidanceRescale: 0.5, eta: 0.3 },
      'base-lcm': { temperature: 0.3 },
    }
    const differences: number[] = []
    for (const [conceptModel, sampling] of Object.entries(settings)) {
      const [want, got] = await Promise.all(loaded.map((noema) => noema.predict(sentences, { conceptModel, seed: 5, ...sampling })))
      for (const [i, { predicted }] of want!.entries()) {
        const gap = predicted.map((value, at) => Math.abs(value - got![i]!.predicted[at]!))
        differences.push(Math.max(...gap) / Math.max(...predicted.map(Math.abs)))
      }
    }
    const { load } = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
    const wrong = await load('mini', { backend: 'abacus' as Api.Backend }).catch((error) => error.code)
    return { devices: loaded.map(({ info }) => info.device.backend), differences, wrong }
  })
  expect(devices).toEqual(['webgpu', 'wasm'])
  expect(differences).toHaveLength(6)
  for (const difference of differences) expect(difference).toBeLessThan(5e-5)
  expect(wrong).toBe('invalid-input')
})

test('on the processor a document goes on in the same bits after a reload, and the GPU takes none of its state', async ({
  page,
  browser,
}) => {
  const go = (target: Page, backend: Api.Backend, argument: { begin: boolean; concepts: number }) =>
    visit(target, [backend], argument, async ([noema], { begin, concepts }) => {
      const session = await noema!.open('diary')
      if (begin) await session.append('Tom had a red ball. He played with it in the garden. One day the ball was gone.')
      const embeddings: string[] = []
      const generation = session.continue({ concepts, seed: 3, conceptModel: 'two-tower', steps: 4, guidance: 2 })
      for (;;) {
        const { value, done } = await generation.next()
        if (done) return { embeddings, rows: value.rows }
        embeddings.push(value.embedding.join())
      }
    })
  const before = await go(page, 'wasm', { begin: true, concepts: 2 })
  const after = await go(page, 'wasm', { begin: false, concepts: 1 })
  expect(after.rows).toEqual({ remembered: 0, restored: 4, computed: 1 })
  const stranger = await browser.newContext()
  const unbroken = await go(await stranger.newPage(), 'wasm', { begin: true, concepts: 3 })
  await stranger.close()
  expect([...before.embeddings, ...after.embeddings]).toEqual(unbroken.embeddings)
  const onGpu = await go(page, 'webgpu', { begin: false, concepts: 1 })
  expect(onGpu.rows).toEqual({ remembered: 0, restored: 0, computed: 6 })
})
