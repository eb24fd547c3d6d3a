import { type BrowserContext, expect, type Page, test } from '@playwright/test'
import type * as Api from '../src/api'
import { serveSummarisers } from './summary-manifest'

/** Opens the page anew and works with a freshly loaded model; `work` may use nothing but its arguments. */
async function visit<R>(page: Page, work: (noema: Api.Noema, tools: Tools) => Promise<R>): Promise<R> {
  await page.goto('/?manual')
  return page.evaluate(
    async ([work]) => {
      const { load } = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
      const noema = await load('mini')
      const tools: Tools = {
        text: 'Tom had a red ball. He played with it in the garden. One day the ball was gone. Tom looked everywhere. His dog had it.',
        quick: { conceptModel: 'two-tower', steps: 4, beam: 1, seed: 3 },
        async written(stream) {
          const concepts: Api.Concept[] = []
          for (;;) {
            const { value, done } = await stream.next()
            if (!done) concepts.push(value)
            else {
              return {
                embeddings: concepts.map(({ embedding }) => embedding.join()),
                texts: concepts.map(({ text }) => text),
                languages: concepts.map(({ language }) => language),
                result: value,
              }
            }
          }
        },
        refusal: (call) =>
          call().then(
            () => 'finished',
            ({ code, message }) => `${code}: ${message}`,
          ),
      }
      try {
        return await new Function(`return (${work})`)()(noema, tools)
      } finally {
        noema.dispose()
      }
    },
    [String(work)] as const,
  )
}

interface Tools {
  /** Five sentences. */
  text: string
  quick: Api.SummarizeSessionOptions
  /** Reads a stream to its end; embeddings as texts of all their bits. */
  written<R>(stream: AsyncGenerator<Api.Concept, R>): Promise<{ embeddings: string[]; texts: string[]; languages: string[]; result: R }>
  refusal(call: () => Promise<unknown>): Promise<string>
}

test.beforeEach(({ context }) => serveSummarisers(context, 'two-tower', 'base-lcm'))

test('the summary of a reopened document costs the sentence that asks for it, and has the bits of one made cold', async ({
  page,
  browser,
  baseURL,
}) => {
  const first = await visit(page, async (noema, { text, quick, written }) => {
    const session = await noema.open('diary')
    await session.append(text)
    const { result, embeddings } = await written(session.summarize({ ...quick, ratio: 0.6 }))
    return { result, embeddings, sentences: session.sentences }
  })
  expect(first.result).toMatchObject({ rows: { remembered: 0, restored: 0, computed: 6 }, reused: 0 })
  expect(first.result.sentences).toEqual(first.sentences.map(({ text }) => text))
  expect(first.embeddings.length).toBeGreaterThan(0)
  expect(first.embeddings.length).toBeLessThanOrEqual(3)

  const again = await visit(page, async (noema, { quick, written }) => {
    const session = await noema.open('diary')
    const made = await written(session.summarize({ ...quick, ratio: 0.6 }))
    const inMemory = await written(session.summarize({ ...quick, ratio: 0.6 }))
    const { sentences } = session
    const goneOn = await written(session.continue({ ...quick, concepts: 1 }))
    return { made, inMemory, sentences, stored: (await noema.open('diary')).sentences.slice(0, -1), goneOn }
  })
  expect(again.made.result).toMatchObject({ rows: { remembered: 0, restored: 5, computed: 1 }, reused: 5, stop: first.result.stop })
  expect(again.inMemory.result).toMatchObject({ rows: { remembered: 6, restored: 0, computed: 0 }, reused: 5 })
  expect(again.sentences).toEqual(first.sentences)
  expect(again.stored).toEqual(first.sentences)
  expect(again.goneOn.result.rows).toEqual({ remembered: 5, restored: 0, computed: 0 })

  const stranger = await strangerOf(browser, baseURL)
  const cold = await visit(await stranger.newPage(), async (noema, { text, quick, written }) => {
    const goneOn = await written(noema.continue(text, { ...quick, concepts: 1 }))
    // Nothing is known of the text any more.
    await noema.memory.forget()
    const sentences = await noema.split(text)
    return { goneOn, made: await written(noema.summarize(sentences, { ...quick, ratio: 0.6 })) }
  })
  await stranger.close()
  expect(cold.made.result.rows.computed).toBe(6)
  expect(cold.made.embeddings).toEqual(first.embeddings)
  expect(again.made.embeddings).toEqual(first.embeddings)
  expect(again.made.texts).toEqual(cold.made.texts)
  expect(again.inMemory.embeddings).toEqual(first.embeddings)
  expect(again.goneOn.embeddings).toEqual(cold.goneOn.embeddings)
})

test('a summary is as long as asked for at most, in the language asked for, and without chance unless that is asked for', async ({
  page,
}) => {
  const { one, spanish, whole, plain, drawn } = await visit(page, async (noema, { text, quick, written }) => {
    const base = { conceptModel: 'base-lcm', beam: 1 }
    const german = 'Der Hund ist im Garten. Es regnet. Er will nach Hause.'
    const of = async (options: Api.SummarizeOptions) =>
      (await written(noema.summarize(text, { ...base, ratio: 0.2, ...options }))).embeddings
    return {
      one: await written(noema.summarize('Tom had a red ball.', quick)),
      spanish: await written(noema.summarize(german, { ...quick, language: 'deu_Latn', to: 'spa_Latn' })),
      whole: await written(noema.summarize(text, { ...quick, ratio: 1 })),
      plain: [await of({ seed: 1 }), await of({ seed: 2 })],
      drawn: [await of({ seed: 1, temperature: 0.5 }), await of({ seed: 2, temperature: 0.5 })],
    }
  })
  expect(one.texts).toHaveLength(1)
  expect(one.result).toMatchObject({ sentences: ['Tom had a red ball.'], stop: 'length', reused: 0 })
  expect(spanish.languages).toEqual(['spa_Latn'])
  expect(whole.texts.length).toBeLessThanOrEqual(5)
  expect(plain[0]).toHaveLength(1)
  expect(plain[1]).toEqual(plain[0])
  expect(drawn[0]).not.toEqual(plain[0])
  expect(drawn[1]).not.toEqual(drawn[0])
})

test('what cannot be summarised is refused in a sentence, and nothing goes on after an abort', async ({ page, context }) => {
  const refused = await visit(page, async (noema, { text, quick, written, refusal }) => {
    const asked = (given: unknown, options: object) => refusal(() => written(noema.summarize(given as string, { ...quick, ...options })))
    const empty = await noema.open('empty')
    return {
      ratios: await Promise.all([0, -1, 1.1, Number.NaN, '0.2'].map((ratio) => asked(text, { ratio }))),
      nothing: await Promise.all([' ', [], null, ['It rained.', 5]].map((given) => asked(given, {}))),
      empty: await refusal(() => written(empty.summarize(quick))),
      long: await asked(Array(noema.info.conceptModels['two-tower']!.maxConcepts).fill('It rained.'), {}),
      language: await asked(text, { to: 'xxx_Latn' }),
      foreign: await asked(text, { temperature: 0.5 }),
      aborted: await asked(text, { signal: AbortSignal.timeout(1), ratio: 1, steps: 100 }),
      after: await asked(text, {}),
    }
  })
  for (const refusal of refused.ratios) expect(refusal).toMatch(/^invalid-input: ratio must be a number above 0 and at most 1, not /)
  for (const refusal of [...refused.nothing, refused.empty]) expect(refusal).toMatch(/^invalid-input: /)
  expect(refused.long).toMatch(/^context-full: The text has \d+ sentences; with a summary of \d+ /)
  expect(refused.language).toMatch(/^unsupported-language: /)
  expect(refused.foreign).toMatch(/^invalid-input: The setting temperature does not apply/)
  expect(refused.aborted).toMatch(/^aborted: /)
  expect(refused.after).toBe('finished')

  await context.unrouteAll()
  await serveSummarisers(context, 'base-lcm')
  const unable = await visit(page, async (noema, { text, quick, written, refusal }) => ({
    prompts: ['two-tower', 'base-lcm'].map((name) => noema.info.conceptModels[name]?.summaryPrompt),
    refusal: await refusal(() => written(noema.summarize(text, quick))),
  }))
  expect(unable.prompts).toEqual([undefined, 'In short.'])
  expect(unable.refusal).toBe('invalid-input: The concept model two-tower has not learnt to summarise: choose base-lcm, which has.')
})

async function strangerOf(browser: { newContext(options: object): Promise<BrowserContext> }, baseURL?: string): Promise<BrowserContext> {
  const context = await browser.newContext({ baseURL, serviceWorkers: 'block' })
  await serveSummarisers(context, 'two-tower', 'base-lcm')
  return context
}
