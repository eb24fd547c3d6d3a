import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, type Page, test } from '@playwright/test'
import type * as Api from '../src/api'
import { parseManifest } from '../src/formats/manifest'
import { smallModel } from './sites'

/** Opens the page anew and works with a freshly loaded model; `work` may use nothing but its arguments. */
async function visit<R>(page: Page, work: (noema: Api.Noema, api: typeof Api, tools: Tools) => Promise<R>): Promise<R> {
  await page.goto('/?manual')
  return page.evaluate(
    async ([work]) => {
      const api = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
      const noema = await api.load('mini')
      const tools: Tools = {
        beginning: 'Tom had a red ball. He played with it in the garden. One day the ball was gone.',
        async go(session, concepts) {
          const embeddings: string[] = []
          const generation = session.continue({ concepts, seed: 3, conceptModel: 'two-tower', steps: 4 })
          for (;;) {
            const { value, done } = await generation.next()
            if (done) return { embeddings, rows: value.rows }
            embeddings.push(value.embedding.join())
          }
        },
        async codeOf(call) {
          try {
            await call()
            return 'finished'
          } catch (error) {
            return error instanceof api.NoemaError ? error.code : String(error)
          }
        },
      }
      try {
        return await new Function(`return (${work})`)()(noema, api, tools)
      } finally {
        noema.dispose()
      }
    },
    [String(work)] as const,
  )
}

interface Tools {
  beginning: string
  /** Bits of the next concepts, and where the state of those before them came from. */
  go(session: Api.Session, concepts: number): Promise<{ embeddings: string[]; rows: Api.RowCounts }>
  codeOf(call: () => Promise<unknown>): Promise<string>
}

test('a document goes on after a reload as if the tab had never been closed', async ({ page, browser }) => {
  const before = await visit(page, async (noema, _, { beginning, go }) => {
    const session = await noema.open('diary')
    await session.append(beginning)
    return { ...(await go(session, 2)), sentences: session.sentences }
  })
  expect(before.sentences.map(({ generated }) => generated)).toEqual([false, false, false, true, true])
  const after = await visit(page, async (noema, _, { go }) => {
    const session = await noema.open('diary')
    const { sentences } = session
    return { ...(await go(session, 1)), sentences, again: await go(session, 1) }
  })
  expect(after.sentences).toEqual(before.sentences)
  expect(after.rows).toEqual({ remembered: 0, restored: 4, computed: 1 })
  expect(after.again.rows).toEqual({ remembered: 5, restored: 0, computed: 1 })

  const stranger = await browser.newContext()
  const unbroken = await visit(await stranger.newPage(), async (noema, _, { beginning, go }) => {
    const session = await noema.open('diary')
    await session.append(beginning)
    return go(session, 4)
  })
  await stranger.close()
  expect([...before.embeddings, ...after.embeddings, ...after.again.embeddings]).toEqual(unbroken.embeddings)
})

test('an edit costs what follows it, a fork shares what is known, a file carries the document to another device', async ({
  page,
  browser,
}) => {
  const written = await visit(page, async (noema, _, { beginning, go }) => {
    const session = await noema.open('story')
    await session.append(beginning)
    await go(session, 1)
    const fork = await session.fork('variant')
    await fork.append('Es regnete.', { language: 'deu_Latn' })
    return { sentences: fork.sentences, file: await (await fork.export()).text() }
  })
  expect(written.sentences.map(({ language }) => language)).toEqual([...Array(4).fill('eng_Latn'), 'deu_Latn'])
  const edited = await visit(page, async (noema, _, { go }) => {
    const [story, variant] = [await noema.open('story'), await noema.open('variant')]
    const forked = await go(variant, 1)
    await story.edit(1, 'He lost it. He cried.')
    const { rows } = await go(story, 1)
    const texts = story.sentences.map(({ text }) => text)
    await story.edit(2, '')
    return { forked, rows, texts, length: story.sentences.length, variant: variant.sentences.length }
  })
  expect(edited.forked.rows).toEqual({ remembered: 0, restored: 3, computed: 2 })
  expect(edited.rows).toEqual({ remembered: 1, restored: 0, computed: 4 })
  expect(edited.texts.slice(0, 4)).toEqual(['Tom had a red ball.', 'He lost it.', 'He cried.', 'One day the ball was gone.'])
  expect([edited.length, edited.variant]).toEqual([5, 6])

  const stranger = await browser.newContext()
  const other = await stranger.newPage()
  await other.addInitScript((file) => Object.assign(globalThis, { file }), written.file)
  const carried = await visit(other, async (noema, _, { go, codeOf }) => {
    const file = new Blob([(globalThis as unknown as { file: string }).file])
    const session = await noema.open('carried')
    await session.import(file)
    const { sentences } = session
    return { sentences, ...(await go(session, 1)), twice: await codeOf(() => session.import(file)) }
  })
  await stranger.close()
  expect(carried.sentences).toEqual(written.sentences)
  expect(carried.embeddings).toEqual(edited.forked.embeddings)
  expect(carried.twice).toBe('invalid-input')
})

test('documents are listed by title and beginning, cut, renamed, and taken back to what a file holds', async ({ page }) => {
  const { listed, cut, back, concepts, dim, same } = await visit(page, async (noema, _, { beginning, go }) => {
    const session = await noema.open('story')
    await session.append(beginning)
    const [written] = (await go(session, 1)).embeddings
    await session.rename(' The ball ')
    const file = await session.export()
    const concepts = await session.concepts()
    const { dim } = noema.info
    await session.truncate(1)
    await session.rename('')
    const cut = { title: session.title, texts: session.sentences.map(({ text }) => text) }
    await session.import(file, { replace: true })
    const other = await noema.open('other')
    await other.append('Es regnete.', { language: 'deu_Latn' })
    const listed = (await noema.documents()).sort((a, b) => a.id.localeCompare(b.id))
    const back = { title: session.title, sentences: session.sentences.length }
    return { listed, cut, back, concepts: concepts.length, dim, same: concepts.slice(-dim).join() === written }
  })
  expect(listed).toEqual([
    { id: 'other', title: '', beginning: 'Es regnete.', sentences: 1, readable: true },
    { id: 'story', title: 'The ball', beginning: 'Tom had a red ball.', sentences: 4, readable: true },
  ])
  expect(cut).toEqual({ title: '', texts: ['Tom had a red ball.'] })
  expect(back).toEqual({ title: 'The ball', sentences: 4 })
  expect(concepts).toBe(4 * dim)
  expect(same).toBe(true)
})

test('wrong calls leave the document alone, and a forgotten one leaves nothing', async ({ page }) => {
  const { codes, sentences, stored } = await visit(page, async (noema, _, { beginning, go, codeOf }) => {
    const session = await noema.open('one')
    const empty = await codeOf(() => session.continue().next())
    await session.append(beginning)
    const codes = {
      empty,
      noName: await codeOf(() => noema.open('')),
      noText: await codeOf(() => session.append('…')),
      language: await codeOf(() => session.append('Hello.', { language: 'tlh_Latn' })),
      index: await codeOf(() => session.edit(3, 'Hello.')),
      halfIndex: await codeOf(() => session.edit(0.5, 'Hello.')),
      taken: await codeOf(() => session.fork('one')),
      steps: await codeOf(() => session.continue({ conceptModel: 'two-tower', steps: 0 }).next()),
      tooMany: await codeOf(() => session.continue({ concepts: 10_000 }).next()),
      length: await codeOf(() => session.truncate(4)),
      halfLength: await codeOf(() => session.truncate(0.5)),
      title: await codeOf(() => session.rename('a'.repeat(201))),
      noDocument: await codeOf(async () => (await noema.open('two')).import(new Blob(['{}']))),
    }
    for await (const _ of session.continue({ concepts: 3, conceptModel: 'two-tower', steps: 4 })) break
    await go(session, 1)
    const { sentences } = await noema.open('one')
    await session.forget()
    const stored: Record<string, number> = {}
    for (const name of ['noema-documents', 'noema-states', 'noema-sentences']) {
      stored[name] = await new Promise<number>((resolve) => {
        indexedDB.open(name).onsuccess = ({ target }) => {
          const db = (target as IDBOpenDBRequest).result
          db.transaction('files').objectStore('files').count().onsuccess = (event) => resolve((event.target as IDBRequest<number>).result)
        }
      })
    }
    return { codes, sentences: sentences.length, stored }
  })
  expect(codes).toEqual({
    empty: 'invalid-input',
    noName: 'invalid-input',
    noText: 'invalid-input',
    language: 'unsupported-language',
    index: 'invalid-input',
    halfIndex: 'invalid-input',
    taken: 'invalid-input',
    steps: 'invalid-input',
    tooMany: 'context-full',
    length: 'invalid-input',
    halfLength: 'invalid-input',
    title: 'invalid-input',
    noDocument: 'invalid-input',
  })
  expect(sentences).toBeGreaterThanOrEqual(5)
  // What stays is the sentence that marks the end of a text.
  expect(stored).toEqual({ 'noema-documents': 0, 'noema-states': 0, 'noema-sentences': 1 })
})

test('a session knows what an abort came too late for', async ({ page }) => {
  const { appended, left, cut } = await visit(page, async (noema, _, { beginning, codeOf }) => {
    const session = await noema.open('diary')
    await session.append(beginning)
    const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
    /** Keeps whoever writes to the documents waiting. @returns what ends that */
    const hold = () =>
      new Promise<() => void>((resolve) => {
        indexedDB.open('noema-documents').onsuccess = ({ target }) => {
          const db = (target as IDBOpenDBRequest).result
          const files = db.transaction('files').objectStore('files')
          let isHeld = true
          const read = () => {
            if (isHeld) files.count().onsuccess = read
            else db.close()
          }
          read()
          resolve(() => {
            isHeld = false
          })
        }
      })
    const known = async () => [session.sentences.length, (await noema.open('diary')).sentences.length]

    const controller = new AbortController()
    let release = await hold()
    const appending = codeOf(() => session.append('It rained.', { signal: controller.signal }))
    await wait(500)
    controller.abort()
    await wait(100)
    release()
    const appended = [await appending, ...(await known())]

    for await (const _ of session.continue({ concepts: 3, seed: 3, conceptModel: 'two-tower', steps: 4, beam: 1 })) {
      release = await hold()
      await wait(1000)
      setTimeout(release, 500)
      break
    }
    const left = await known()
    return { appended, left, cut: await codeOf(() => session.truncate(0)) }
  })
  // Which one depends on how far the worker was.
  expect([
    ['finished', 4, 4],
    ['aborted', 3, 3],
  ]).toContainEqual(appended)
  expect(left[0]).toBe(left[1])
  expect(cut).toBe('finished')
})

test('a full storage costs the speed and nothing else; a change that cannot be stored is refused and not made', async ({ page }) => {
  await page.goto('/?manual')
  const { origin } = new URL(page.url())
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1 })
  const full = await visit(page, async (noema, _, { beginning, codeOf }) => {
    const session = await noema.open('full')
    const append = await codeOf(() => session.append(beginning))
    const texts: string[] = []
    for await (const { text } of noema.continue(beginning, { concepts: 2, seed: 3, conceptModel: 'two-tower', steps: 4 })) texts.push(text)
    const kept = (await noema.open('full')).sentences.length
    return { append, written: texts.length, sentences: session.sentences.length, kept, storage: noema.info.storage }
  })
  expect(full).toEqual({ append: 'quota-exceeded', written: 2, sentences: 0, kept: 0, storage: expect.anything() })
  const { stored, warning } = full.storage
  expect(stored).toBe(false)
  expect(warning?.code).toBe('quota-exceeded')
  expect(warning?.message).toContain('no room')
  const { files } = parseManifest(JSON.parse(readFileSync(join(smallModel, 'manifest.json'), 'utf8')))
  expect(warning?.details.needed).toBe(Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0))
  // Chromium’s estimate does not know of the test’s quota.
  expect(warning?.details.available).toEqual(expect.any(Number))
})
