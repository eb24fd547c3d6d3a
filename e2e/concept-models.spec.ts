import { join } from 'node:path'
import { type BrowserContext, expect, type Page, test } from '@playwright/test'
import type * as Api from '../src/api'
import { noema } from './command-line'
import { folderWithAllFamilies } from './model-folder'

const folder = folderWithAllFamilies()
const text = 'Tom had a red ball. He played with it in the garden. One day the ball was gone.'

/** Opens the page anew and works with the folder, freshly loaded; `work` may use nothing but its arguments. */
async function visit<R>(context: BrowserContext, page: Page, work: (noema: Api.Noema, text: string) => Promise<R>): Promise<R> {
  await context.route('**/models/both/**', (route) =>
    route.fulfill({ path: join(folder, new URL(route.request().url()).pathname.slice(13)) }),
  )
  await page.goto('/?manual')
  return page.evaluate(
    async ([source, text]) => {
      const { load } = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
      const noema = await load('both')
      try {
        return await new Function(`return (${source})`)()(noema, text)
      } finally {
        noema.dispose()
      }
    },
    [String(work), text] as const,
  )
}

test('all families write; only the settings of the chosen one are taken', async ({ context, page }) => {
  const outcome = await visit(context, page, async (noema, text) => {
    const go = async (options: Api.ContinueOptions) => {
      const bits: string[] = []
      for await (const { embedding } of noema.continue(text, { concepts: 1, beam: 1, ...options })) bits.push(embedding.join())
      return bits
    }
    const refusal = (options: Api.ContinueOptions) =>
      go(options).then(
        () => 'finished',
        (error) => `${error.code}: ${error.message}`,
      )
    const random = { conceptModel: 'random' }
    const hasty = noema.continue(text, { concepts: 5, conceptModel: 'hasty' })
    let last = await hasty.next()
    while (!last.done) last = await hasty.next()
    const predicted = await noema.predict(['It was late.', 'They went home.'], { ...random, temperature: 0.5 })
    return {
      info: noema.info,
      plain: [await go({ ...random, seed: 1 }), await go({ ...random, seed: 2 })],
      sampled: [
        await go({ ...random, seed: 1, temperature: 0.3 }),
        await go({ ...random, seed: 1, temperature: 0.3 }),
        await go({ ...random, seed: 2, temperature: 0.3 }),
      ],
      twoTower: await go({ conceptModel: 'two-tower', steps: 2 }),
      oneTower: [await go({ conceptModel: 'single', steps: 2, seed: 1 }), await go({ conceptModel: 'single', steps: 2, seed: 1 })],
      near: [await go({ conceptModel: 'near', seed: 1 }), await go({ conceptModel: 'near', seed: 1 })],
      unit: [await go({ conceptModel: 'unit', topK: 1, seed: 1 }), await go({ conceptModel: 'unit', temperature: 0, seed: 2 })],
      hasty: last.value,
      predicted: predicted.map(({ predicted }) => predicted.length),
      steps: await refusal({ ...random, steps: 4 }),
      temperature: await refusal({ conceptModel: 'two-tower', temperature: 0.5 }),
      warm: await refusal({ conceptModel: 'single', temperature: 0.5 }),
      coarse: await refusal({ conceptModel: 'near', steps: 4 }),
      topless: await refusal({ ...random, topK: 3 }),
      cold: await refusal({ ...random, temperature: -1 }),
    }
  })
  expect(Object.keys(outcome.info.conceptModels)).toEqual(expect.arrayContaining(['two-tower', 'random', 'hasty']))
  expect(outcome.info.conceptModels.random).toEqual({
    family: 'base_lcm',
    maxConcepts: 30,
    beam: 1,
    reread: false,
    settings: { temperature: 0 },
  })
  expect(outcome.info.conceptModels['two-tower']).toMatchObject({ family: 'two_tower', settings: { steps: expect.any(Number), eta: 0 } })
  expect(outcome.info.conceptModels.single).toEqual({
    ...outcome.info.conceptModels['two-tower'],
    family: 'one_tower',
    maxConcepts: 30,
  })
  expect(outcome.plain[0]).toHaveLength(1)
  expect(outcome.plain[1]).toEqual(outcome.plain[0])
  expect(outcome.sampled[1]).toEqual(outcome.sampled[0])
  expect(outcome.sampled[2]).not.toEqual(outcome.sampled[0])
  expect(outcome.sampled[0]).not.toEqual(outcome.plain[0])
  expect(outcome.twoTower).toHaveLength(1)
  expect(outcome.oneTower[0]).toHaveLength(1)
  expect(outcome.oneTower[1]).toEqual(outcome.oneTower[0])
  expect(outcome.oneTower[0]).not.toEqual(outcome.twoTower)
  expect(outcome.info.conceptModels.near).toEqual({
    family: 'quant_lcm_c',
    maxConcepts: 30,
    beam: 1,
    reread: false,
    settings: { guidance: 1.5, temperature: 1, topK: 5 },
  })
  for (const pair of [outcome.near, outcome.unit]) {
    expect(pair[0]).toHaveLength(1)
    expect(pair[1]).toEqual(pair[0])
  }
  expect(outcome.hasty).toMatchObject({ stop: 'repetition' })
  expect(outcome.predicted).toEqual([outcome.info.dim])
  expect(outcome.steps).toMatch(/^invalid-input: The setting steps does not apply to a Base-LCM concept model, which takes temperature/)
  expect(outcome.temperature).toMatch(/^invalid-input: The setting temperature does not apply to a Two-Tower concept model/)
  expect(outcome.warm).toMatch(/^invalid-input: The setting temperature does not apply to a One-Tower concept model/)
  expect(outcome.coarse).toMatch(
    /^invalid-input: The setting steps does not apply to a Quant-LCM-c concept model, which takes guidance, temperature/,
  )
  expect(outcome.topless).toMatch(/^invalid-input: The setting topK does not apply to a Base-LCM concept model/)
  expect(outcome.cold).toMatch(/^invalid-input: temperature must be from 0/)
})

test('a document that a Base-LCM writes goes on after a reload in the very same bits', async ({ context, page, browser }) => {
  const write = async (noema: Api.Noema, text: string) => {
    const session = await noema.open('diary')
    const isNew = session.sentences.length === 0
    if (isNew) await session.append(text)
    const rows: Api.RowCounts[] = []
    const embeddings: string[] = []
    for (let n = 0; n < 2; n++) {
      const generation = session.continue({ concepts: 1, seed: 3, temperature: 0.2 })
      let next = await generation.next()
      for (; !next.done; next = await generation.next()) embeddings.push(next.value.embedding.join())
      rows.push(next.value.rows)
    }
    return { rows, embeddings }
  }
  const before = await visit(context, page, write)
  const after = await visit(context, page, write)
  expect(before.rows[0]).toEqual({ remembered: 0, restored: 0, computed: 3 })
  expect(after.rows).toEqual([
    { remembered: 0, restored: 4, computed: 1 },
    { remembered: 5, restored: 0, computed: 1 },
  ])

  const stranger = await browser.newContext()
  const unbroken = await visit(stranger, await stranger.newPage(), async (noema, text) => {
    const embeddings: string[] = []
    for await (const { embedding } of noema.continue(text, { concepts: 4, seed: 3, temperature: 0.2 })) embeddings.push(embedding.join())
    return embeddings
  })
  await stranger.close()
  expect([...before.embeddings, ...after.embeddings]).toEqual(unbroken)
})

test('the command line lists the concept models and takes one by name', async () => {
  const inspected = await noema('inspect', '--model', folder)
  expect(inspected.stdout).toMatch(/^concepts +random \(default\): base_lcm, up to 30 concepts, temperature 0$/m)
  expect(inspected.stdout).toMatch(/^concepts +two-tower.*: two_tower, up to \d+ concepts, steps \d+, /m)
  const chosen = ['continue', '--model', folder, '--text', text, '--concepts', '1', '--concept-model', 'random', '--json']
  const continued = await noema(...chosen, '--temperature', '0.5')
  expect(JSON.parse(continued.stdout).concepts).toHaveLength(1)
  expect(inspected.stdout).toMatch(/^concepts +unit: quant_lcm_d, up to 30 concepts, guidance 1.5, temperature 1, topK 5$/m)
  const quantised = await noema(
    'continue',
    '--model',
    folder,
    '--text',
    text,
    '--concepts',
    '1',
    '--concept-model',
    'unit',
    '--top-k',
    '2',
    '--json',
  )
  expect(JSON.parse(quantised.stdout).concepts).toHaveLength(1)
  const refused = await noema(...chosen, '--steps', '4')
  expect(refused.stderr).toContain('invalid-input: The setting steps does not apply')
  expect(refused.exitCode).not.toBe(0)
})
