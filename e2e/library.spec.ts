import { expect, type Page, test } from '@playwright/test'
import type * as Api from '../src/api'
import { shipped } from './sites'

const text = 'Tom had a red ball. He played with it in the garden.'

/** Runs in the page with a freshly loaded model; `work` may use nothing but its arguments. */
async function withNoema<R, A = null>(
  page: Page,
  work: (noema: Api.Noema, api: typeof Api, argument: A) => Promise<R>,
  argument = null as A,
): Promise<R> {
  await page.goto('/?manual')
  return page.evaluate(
    async ([source, argument]) => {
      const api = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
      const noema = await api.load('mini')
      try {
        return await new Function(`return (${source})`)()(noema, api, argument)
      } finally {
        noema.dispose()
      }
    },
    [String(work), argument] as const,
  )
}

test('the same seed gives the same sentences, another seed others', async ({ page }) => {
  const runs = await withNoema(
    page,
    async (noema, _, text) => {
      const runs: string[][] = []
      for (const seed of [1, 1, 2]) {
        const concepts: string[] = []
        for await (const concept of noema.continue(text, { concepts: 2, seed, conceptModel: 'two-tower', steps: 4 }))
          concepts.push(concept.text, concept.embedding.join())
        runs.push(concepts)
      }
      return runs
    },
    text,
  )
  expect(runs[0]).toHaveLength(4)
  expect(runs[1]).toEqual(runs[0])
  expect(runs[2]).not.toEqual(runs[0])
})

test('a text goes on from its predictions, or from what its new sentences say', async ({ page }) => {
  const outcome = await withNoema(
    page,
    async (noema, _, text) => {
      const options = { concepts: 3, seed: 1, conceptModel: 'base-lcm', textDrafts: 3 }
      const write = async (reread?: boolean) => {
        const written: Api.Concept[] = []
        for await (const concept of noema.continue(text, { ...options, reread })) written.push(concept)
        return written
      }
      const [plain, unasked, reread] = [await write(false), await write(), await write(true)]
      const together: string[] = []
      for await (const one of noema.continueMany([text], { ...options, reread: true })) together.push(one.text, one.embedding.join())
      const read: string[] = []
      for (const one of reread) read.push((await noema.encode([one.text])).join())
      return {
        plain: plain.map(({ embedding }) => embedding.join()),
        unasked: unasked.map(({ embedding }) => embedding.join()),
        reread: reread.map(({ embedding }) => embedding.join()),
        read,
        texts: [plain[0]!.text, reread[0]!.text],
        alone: reread.flatMap(({ text, embedding }) => [text, embedding.join()]),
        together,
        times: reread.flatMap(({ timing }) => [timing.predict, timing.decode]),
      }
    },
    text,
  )
  expect(outcome.unasked).toEqual(outcome.plain)
  expect(outcome.reread.length).toBeGreaterThan(1)
  expect(outcome.reread).toEqual(outcome.read)
  expect(outcome.plain[0]).not.toBe(outcome.reread[0])
  expect(outcome.texts[1]).toBe(outcome.texts[0])
  expect(outcome.together).toEqual(outcome.alone)
  expect(Math.min(...outcome.times)).toBeGreaterThan(0)
})

test.describe('with the model that is shipped', () => {
  test.use(shipped)

  test('a text has the same concepts in every language that it is written in', async ({ page }) => {
    const outcome = await withNoema(
      page,
      async (noema, _, text) => {
        const write = async (to: string) => {
          const written: Api.Concept[] = []
          for await (const concept of noema.continue(text, { concepts: 2, seed: 1, to })) written.push(concept)
          return written
        }
        const [english, french] = [await write('eng_Latn'), await write('fra_Latn')]
        const together: string[] = []
        for await (const one of noema.continueMany([text], { concepts: 2, seed: 1, to: 'fra_Latn' })) together.push(one.text)
        const said: string[] = []
        for (const { embedding } of english) said.push(...(await noema.decode(embedding, { language: 'fra_Latn' })))
        return {
          vectors: [english, french].map((written) => written.map(({ embedding }) => embedding.join())),
          texts: [english, french].map((written) => written.map(({ text }) => text)),
          together,
          said,
        }
      },
      text,
    )
    expect(outcome.vectors[0]!.length).toBeGreaterThan(0)
    expect(outcome.vectors[1]).toEqual(outcome.vectors[0])
    expect(outcome.texts[1]).toEqual(outcome.said)
    expect(outcome.texts[1]).not.toEqual(outcome.texts[0])
    expect(outcome.together).toEqual(outcome.texts[1])
  })

  test('sentences come back from encode and decode, and cross languages', async ({ page }) => {
    const everyday = [
      'The dog is in the garden.',
      'I want to go home.',
      'Where is the dog?',
      'She is my sister.',
      'We are very tired today.',
      'I have no time.',
      'The cat is black.',
      'My brother has a dog.',
      'Do you speak French?',
      'It is raining.',
    ]
    const work = async (noema: Api.Noema, _: typeof Api, sentences: string[]) => {
      const vectors = await noema.encode(sentences, { language: 'eng_Latn' })
      const decoded = await noema.decode(vectors, { language: 'eng_Latn' })
      const translations = await noema.translate('Where are you? I am at home.', { from: 'eng_Latn', to: 'deu_Latn' })
      return { decoded, translations, dim: noema.info.dim, length: vectors.length }
    }
    const { decoded, translations, dim, length } = await withNoema(page, work, everyday)
    expect(length).toBe(everyday.length * dim)
    // No sentence comes back from every model; nearly all that are so common do.
    expect(decoded.filter((text, i) => text === everyday[i]).length, decoded.join(' ')).toBeGreaterThanOrEqual(7)
    expect(translations.map(({ source }) => source)).toEqual(['Where are you?', 'I am at home.'])
    for (const { text } of translations) expect(text).not.toBe('')
  })

  test('sentences come back nearer to what they were than in greedy words, or in the likeliest of the same beam', async ({ page }) => {
    const sentences = [
      'Das Wetter war schön, aber der Wind war kalt.',
      'Er fuhr mit dem Fahrrad zu seiner alten Schule.',
      'Am Abend saßen sie am Fenster und sahen in den Regen.',
      'Meine Mutter hat das Buch gelesen, das du mir gegeben hast.',
    ]
    const work = async (noema: Api.Noema, _: typeof Api, sentences: string[]) => {
      const language = 'deu_Latn'
      const vectors = await noema.encode(sentences, { language })
      const away = async (settings: Api.DecodeOptions) => {
        const read = await noema.encode(await noema.decode(vectors, { language, ...settings }), { language })
        return Math.hypot(...read.map((value, i) => value - vectors[i]!))
      }
      return { away: await away({}), greedy: await away({ beam: 1, nearest: false }), likeliest: await away({ nearest: false }) }
    }
    const { away, greedy, likeliest } = await withNoema(page, work, sentences)
    expect(away).toBeLessThan(0.75 * greedy)
    expect(away).toBeLessThan(0.75 * likeliest)
  })

  test('abort ends encoding, denoising and decoding, and the engine goes on', async ({ page }) => {
    const codes = await withNoema(
      page,
      async (noema, _, text) => {
        const codeOf = (error: { code?: string }) => error.code
        const during = async (start: (signal: AbortSignal) => Promise<unknown>, milliseconds: number) => {
          const controller = new AbortController()
          const call = start(controller.signal).then(() => 'finished', codeOf)
          setTimeout(() => controller.abort(), milliseconds)
          return call
        }
        const many = Array.from({ length: 400 }, (_, i) => `This is sentence number ${i} of a long text about nothing much.`)
        const vectors = await noema.encode(many.slice(0, 64))
        return {
          encoding: await during((signal) => noema.encode(many.slice(64), { signal }), 20),
          decoding: await during((signal) => noema.decode(vectors, { beam: 5, signal }), 20),
          denoising: await during(
            (signal) => noema.continue(text, { concepts: 5, conceptModel: 'two-tower', steps: 100, signal }).next(),
            400,
          ),
          before: await during((signal) => noema.continue(text, { signal }).next(), 0),
          after: await noema
            .continue(text, { concepts: 1, conceptModel: 'two-tower', steps: 4 })
            .next()
            .then(({ value }) => typeof (value as { text: string }).text),
        }
      },
      text,
    )
    expect(codes).toEqual({ encoding: 'aborted', decoding: 'aborted', denoising: 'aborted', before: 'aborted', after: 'string' })
  })
})

test('wrong calls get typed errors', async ({ page }) => {
  const codes = await withNoema(page, async (noema, api) => {
    const codeOf = async (call: () => Promise<unknown>) => {
      try {
        await call()
        return 'finished'
      } catch (error) {
        return error instanceof api.NoemaError ? error.code : String(error)
      }
    }
    return {
      emptyText: await codeOf(() => noema.continue('').next()),
      noText: await codeOf(() => noema.continue(undefined as unknown as string).next()),
      hugeText: await codeOf(() => noema.continue('All work and no play. '.repeat(480_000)).next()),
      unknownLanguage: await codeOf(() => noema.continue('Hello there.', { language: 'tlh_Latn' }).next()),
      unknownTarget: await codeOf(() => noema.translate('Hello there.', { from: 'eng_Latn', to: 'xx' })),
      noSteps: await codeOf(() => noema.continue('Hello there.', { conceptModel: 'two-tower', steps: 0 }).next()),
      tooManySteps: await codeOf(() => noema.continue('Hello there.', { conceptModel: 'two-tower', steps: 101 }).next()),
      noConcepts: await codeOf(() => noema.continue('Hello there.', { concepts: 0 }).next()),
      halfSeed: await codeOf(() => noema.continue('Hello there.', { seed: 0.5 }).next()),
      guidance: await codeOf(() => noema.continue('Hello there.', { conceptModel: 'two-tower', guidance: Number.NaN }).next()),
      beam: await codeOf(() => noema.decode(new Float32Array(noema.info.dim), { beam: 0 })),
      shortVector: await codeOf(() => noema.decode(new Float32Array(3))),
      notFinite: await codeOf(() => noema.decode(new Float32Array(noema.info.dim).fill(Number.NaN))),
      unknownConceptModel: await codeOf(() => noema.continue('Hello there.', { conceptModel: 'none' }).next()),
      oneSentence: await codeOf(() => noema.predict(['Only one.'])),
      unknownModel: await codeOf(() => api.load('no-such-model')),
      notAUrl: await codeOf(() => api.load('http://[')),
    }
  })
  expect(codes).toEqual({
    emptyText: 'invalid-input',
    noText: 'invalid-input',
    hugeText: 'context-full',
    unknownLanguage: 'unsupported-language',
    unknownTarget: 'unsupported-language',
    noSteps: 'invalid-input',
    tooManySteps: 'invalid-input',
    noConcepts: 'invalid-input',
    halfSeed: 'invalid-input',
    guidance: 'invalid-input',
    beam: 'invalid-input',
    shortVector: 'invalid-input',
    notFinite: 'invalid-input',
    unknownConceptModel: 'invalid-input',
    oneSentence: 'invalid-input',
    unknownModel: 'download-failed',
    notAUrl: 'invalid-input',
  })
})

test('calls in flight end when the engine is disposed of', async ({ page }) => {
  await page.goto('/?manual')
  const code = await page.evaluate(async () => {
    const { load } = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
    const noema = await load('mini')
    const call = noema.encode(['A sentence.']).then(
      () => 'finished',
      (error) => error.code,
    )
    noema.dispose()
    return call
  })
  expect(code).toBe('aborted')
})
