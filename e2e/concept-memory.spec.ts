import { expect, type Page, test } from '@playwright/test'
import type * as Api from '../src/api'

/** Opens the page anew and works with a freshly loaded model; `work` may use nothing but its arguments. */
async function visit<R>(page: Page, work: (noema: Api.Noema, notes: typeof everyday, api: typeof Api) => Promise<R>): Promise<R> {
  await page.goto('/?manual')
  return page.evaluate(
    async ([work, notes]) => {
      const api = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
      const noema = await api.load('mini')
      try {
        return await new Function(`return (${work})`)()(noema, notes, api)
      } finally {
        noema.dispose()
      }
    },
    [String(work), everyday] as const,
  )
}

const everyday = {
  deu_Latn: ['Der Hund ist im Garten.', 'Ich habe kein Geld.', 'Es regnet.'],
  eng_Latn: ['I want to go home.', 'The train is late.', 'She is reading a book.'],
  fra_Latn: ['Il fait froid.', 'Nous mangeons du pain.', 'Mon frère est médecin.'],
}

test('search ranks as the definition does, in all languages at once, and after a reload', async ({ page }) => {
  const first = await visit(page, async (noema, notes) => {
    const all: { text: string; language: string; vector: number[] }[] = []
    for (const [language, texts] of Object.entries(notes)) {
      await noema.memory.add(texts, { language, source: language })
      const vectors = await noema.encode(texts, { language })
      texts.forEach((text, i) => {
        all.push({ text, language, vector: Array.from(vectors.slice(i * noema.info.dim, (i + 1) * noema.info.dim)) })
      })
    }
    const query = await noema.encode(['¿Dónde está el perro?'], { language: 'spa_Latn' })
    const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, x, i) => sum + x * (b[i] as number), 0)
    const score = (vector: number[]) => dot(query, vector) / Math.sqrt(dot(query, query) * dot(vector, vector))
    const expected = all.map(({ text, language, vector }) => ({ text, language, score: score(vector) })).sort((a, b) => b.score - a.score)
    const found = await noema.memory.search('¿Dónde está el perro?', 9, { language: 'spa_Latn' })
    const byVector = await noema.memory.search(query, 9)
    return { expected, found, same: JSON.stringify(byVector) === JSON.stringify(found), size: await noema.memory.size() }
  })
  expect(first.size).toBe(9)
  expect(first.same).toBe(true)
  expect(first.found.map(({ text, language }) => [text, language])).toEqual(first.expected.map(({ text, language }) => [text, language]))
  for (const [i, { score }] of first.found.entries()) expect(score).toBeCloseTo(first.expected[i]!.score, 12)
  // A note in German, asked for in Spanish, before notes in two other languages.
  expect(first.found[0]).toMatchObject({ text: 'Der Hund ist im Garten.', source: { kind: 'notes', id: 'deu_Latn', index: 0 } })

  const second = await visit(page, async (noema) => noema.memory.search('¿Dónde está el perro?', 9, { language: 'spa_Latn' }))
  expect(second.map(({ text, score, source }) => ({ text, score, source }))).toEqual(
    first.found.map(({ text, score, source }) => ({ text, score, source })),
  )
})

test('what is recalled goes before the text, is named, and has states of its own', async ({ page }) => {
  const outcome = await visit(page, async (noema, notes) => {
    for (const [language, texts] of Object.entries(notes)) await noema.memory.add(texts, { language, source: language })
    const go = async (recall?: number) => {
      const embeddings: string[] = []
      const recalled: (number | undefined)[] = []
      const generation = noema.continue('¿Dónde está el perro?', { language: 'spa_Latn', concepts: 2, seed: 3, recall })
      for (;;) {
        const { value, done } = await generation.next()
        if (done) return { embeddings, recalled, result: value }
        embeddings.push(value.embedding.join())
        recalled.push(value.recalled?.length)
      }
    }
    // The definition: the recalled sentences in reverse order, then the text, as one document.
    const asOne = await noema.open('as one')
    const runs = [await go(), await go(2), await go(2), await go()]
    for (const { text, language } of runs[1]!.result.recalled.toReversed()) await asOne.append(text, { language })
    await asOne.append('¿Dónde está el perro?', { language: 'spa_Latn' })
    const embeddings: string[] = []
    for await (const { embedding } of asOne.continue({ concepts: 2, seed: 3 })) embeddings.push(embedding.join())
    const everything = (await go(1000)).result.recalled.length
    return { runs, embeddings, everything }
  })
  const [plain, first, second, again] = outcome.runs
  expect(plain!.result.recalled).toEqual([])
  expect(plain!.recalled.every((count) => count === undefined)).toBe(true)
  expect(first!.recalled[0]).toBe(2)
  expect(first!.recalled.slice(1).every((count) => count === undefined)).toBe(true)
  expect(first!.result.sentences).toEqual(['¿Dónde está el perro?'])
  expect(first!.result.recalled[0]).toMatchObject({
    text: 'Der Hund ist im Garten.',
    language: 'deu_Latn',
    source: { kind: 'notes', id: 'deu_Latn', index: 0 },
  })
  expect(first!.embeddings).not.toEqual(plain!.embeddings)
  expect(first!.embeddings).toEqual(outcome.embeddings)
  expect(second!.embeddings).toEqual(first!.embeddings)
  expect(second!.result.rows).toEqual({ remembered: 3, restored: 0, computed: 0 })
  expect(again!.embeddings).toEqual(plain!.embeddings)
  expect(outcome.everything).toBe(9)

  const after = await visit(page, async (noema) => {
    const generation = noema.continue('¿Dónde está el perro?', { language: 'spa_Latn', concepts: 1, seed: 3, recall: 2 })
    const { value } = await generation.next()
    const { value: result } = await generation.next()
    return { embedding: (value as Api.Concept).embedding.join(), rows: (result as Api.ContinueResult).rows }
  })
  expect(after).toEqual({ embedding: first!.embeddings[0], rows: { remembered: 0, restored: 3, computed: 0 } })
})

test('a document opened with `remember` is found by other documents, follows its changes, and is erased by one call', async ({ page }) => {
  const outcome = await visit(page, async (noema) => {
    const texts = async () =>
      (await noema.memory.search('The dog.', 100)).map(({ text, source }) => `${source.id} ${source.index} ${text}`).sort()
    const steps: Record<string, string[]> = {}
    const diary = await noema.open('diary')
    await diary.append('I have a dog. It is cold.')
    steps.unasked = await texts()
    await noema.open('diary', { remember: true })
    steps.opened = await texts()
    await diary.append('Es regnet.', { language: 'deu_Latn' })
    await diary.edit(1, 'It is warm.')
    steps.edited = await texts()
    for await (const _ of diary.continue({ concepts: 1 }));
    steps.continued = await texts()
    const afterContinuing = diary.sentences.map(({ text }, index) => `diary ${index} ${text}`).sort()
    const other = await noema.open('other')
    await other.append('Where is the dog?')
    const own: string[] = []
    const foreign: string[] = []
    for await (const { recalled } of diary.continue({ concepts: 1, recall: 3 })) own.push(...(recalled ?? []).map(({ text }) => text))
    for await (const { recalled } of other.continue({ concepts: 1, recall: 1 }))
      foreign.push(...(recalled ?? []).map(({ source }) => source.id))
    const written = diary.sentences.length
    return { steps, afterContinuing, own, foreign, written }
  })
  expect(outcome.steps.unasked).toEqual([])
  expect(outcome.steps.opened).toEqual(['diary 0 I have a dog.', 'diary 1 It is cold.'])
  expect(outcome.steps.edited).toEqual(['diary 0 I have a dog.', 'diary 1 It is warm.', 'diary 2 Es regnet.'])
  expect(outcome.steps.continued).toEqual(outcome.afterContinuing)
  expect(outcome.own).toEqual([])
  expect(outcome.foreign).toEqual(['diary'])

  const later = await visit(page, async (noema, _, api) => {
    const before = await noema.memory.size()
    const diary = await noema.open('diary')
    await diary.append('Good night.')
    const followed = await noema.memory.size()
    await noema.open('diary', { remember: false })
    const without = await noema.memory.size()
    await noema.open('diary', { remember: true })
    await noema.memory.add(['A note.'])
    await noema.memory.forget()
    const stored: Record<string, unknown[]> = {}
    for (const name of ['noema-memory', 'noema-states', 'noema-sentences']) {
      stored[name] = await new Promise((resolve) => {
        indexedDB.open(name).onsuccess = ({ target }) => {
          const db = (target as IDBOpenDBRequest).result
          db.transaction('files').objectStore('files').getAllKeys().onsuccess = (event) =>
            resolve((event.target as IDBRequest<IDBValidKey[]>).result)
        }
      })
    }
    const codes: string[] = []
    for (const call of [
      () => noema.memory.search('…'),
      () => noema.memory.search(new Float32Array(3)),
      () => noema.memory.search('Hello.', 0),
      () => noema.memory.search('Hello.', 1, { language: 'tlh_Latn' }),
      () => noema.memory.add(['Hello.'], { source: '' }),
      () => noema.memory.forget({ kind: 'all' } as never),
      () => noema.continue('Hello.', { recall: -1 }).next(),
    ]) {
      codes.push(
        await (call() as Promise<unknown>).then(
          () => 'finished',
          (error) => (error instanceof api.NoemaError ? error.code : String(error)),
        ),
      )
    }
    return { before, followed, without, stored, codes, kept: (await noema.open('diary')).sentences.length, size: await noema.memory.size() }
  })
  expect(later.before).toBe(outcome.written)
  expect([later.followed, later.without, later.size]).toEqual([outcome.written + 1, 0, 0])
  expect(later.kept).toBe(outcome.written + 1)
  expect(later.stored).toEqual({ 'noema-memory': ['revision'], 'noema-states': [], 'noema-sentences': [] })
  expect(later.codes).toEqual([...Array(3).fill('invalid-input'), 'unsupported-language', ...Array(3).fill('invalid-input')])
})
