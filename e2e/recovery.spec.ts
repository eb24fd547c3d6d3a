import { chromium, expect, type Page, test, type Worker } from '@playwright/test'
import type * as Api from '../src/api'
import { continueButton, idle, open, stopButton, written } from './page.testing'
import { launchOptions, shipped } from './sites'

const text = 'Tom had a red ball. He played with it in the garden. One day the ball was gone. Tom looked for it everywhere.'

/** What the steps of a test share in their page. */
interface Bench {
  noema: Api.Noema
  /** Loads the model again. */
  load(): Promise<void>
  /** What `onDeviceLost` was called with. */
  losses: string[]
  /** Bits of the text's next concepts. */
  go(text: string): Promise<string[]>
  /** The error's code, or `finished`. */
  codeOf(call: () => Promise<unknown>): Promise<string>
}

/** Opens a page without an app in which `act` works. */
async function prepare(page: Page): Promise<void> {
  await page.goto('/?manual')
  await page.evaluate(async () => {
    const api = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
    const losses: string[] = []
    const bench = {
      losses,
      async load() {
        bench.noema = await api.load('mini', { onDeviceLost: ({ code }) => losses.push(code) })
      },
      async go(text: string) {
        const embeddings: string[] = []
        const settings = { concepts: 2, seed: 3, conceptModel: 'two-tower', steps: 4 }
        for await (const { embedding } of bench.noema.continue(text, settings)) embeddings.push(embedding.join())
        return embeddings
      },
      codeOf: (call: () => Promise<unknown>) =>
        call().then(
          () => 'finished',
          (error) => (error instanceof api.NoemaError ? error.code : String(error)),
        ),
    } as Bench
    await bench.load()
    Object.assign(globalThis, { bench })
  })
}

/** Does something in the page; `work` may use nothing but its arguments. */
function act<R, A>(page: Page, work: (bench: Bench, argument: A) => Promise<R>, argument?: A): Promise<R> {
  return page.evaluate(
    async ([work, argument]) =>
      new Function(`return (${work})`)()((globalThis as unknown as { bench: Bench }).bench, argument) as Promise<Awaited<R>>,
    [String(work), argument] as const,
  )
}

/** The worker that the engine runs in; ONNX Runtime has others inside it. */
function engineOf(page: Page): Worker {
  return page.workers().findLast((worker) => /\/worker-[^/]+\.js$/.test(worker.url()))!
}

/** Loses the device in the engine's worker at the nth of these calls, counted from the call or the loss before. */
async function loseDevice(page: Page, calls: [kind: 'createBuffer' | 'createCommandEncoder', nth: number][]): Promise<void> {
  await engineOf(page).evaluate((calls) => {
    const [first] = calls
    let left = first?.[1] ?? 0
    for (const kind of ['createBuffer', 'createCommandEncoder'] as const) {
      const original = GPUDevice.prototype[kind]
      Object.assign(GPUDevice.prototype, {
        [kind](this: GPUDevice, ...values: [GPUBufferDescriptor]) {
          if (calls[0]?.[0] === kind && --left === 0) {
            calls.shift()
            left = calls[0]?.[1] ?? 0
            this.destroy()
          }
          return Reflect.apply(original, this, values)
        },
      })
    }
  }, calls)
}

test('a device lost in the middle of anything is told of once, and no bit is another', async ({ page }) => {
  await prepare(page)
  const undisturbed = await act(page, ({ go }, text) => go(text), text)
  // Without stored states the text is read again.
  const again = () => act(page, ({ noema, go }, text) => noema.memory.forget().then(() => go(text)), text)

  await loseDevice(page, [['createCommandEncoder', 1]])
  expect(await again(), 'lost while the text is read').toEqual(undisturbed)
  await loseDevice(page, [
    ['createCommandEncoder', 3],
    ['createBuffer', 40],
  ])
  expect(await again(), 'lost while a concept is denoised, and while weights are uploaded').toEqual(undisturbed)
  expect(await act(page, async ({ losses }) => losses)).toEqual(Array(3).fill('device-lost'))

  const predict = () =>
    act(
      page,
      async ({ noema }, text) => {
        const predicted = await noema.predict(await noema.split(text), { conceptModel: 'base-lcm', temperature: 0 })
        return predicted.map(({ predicted }) => predicted.join())
      },
      text,
    )
  const before = await predict()
  await loseDevice(page, [['createCommandEncoder', 4]])
  expect(await predict()).toEqual(before)
  expect(await act(page, async ({ losses }) => losses.length)).toBe(4)
})

test('a worker killed at any point of a write ends its calls, loses nothing, and the model can be loaded again', async ({ page }) => {
  await prepare(page)
  /** Brings a document to three sentences of the visitor's and two of the model's, wherever it stands. */
  const write = (id: string) =>
    act(
      page,
      async ({ noema, codeOf }, id) => {
        const code = await codeOf(async () => {
          const session = await noema.open(id)
          if (session.sentences.length === 0) await session.append('Tom had a red ball. He played with it. One day it was gone.')
          const concepts = 5 - session.sentences.length
          if (concepts === 0) return
          for await (const _ of session.continue({ concepts, seed: 3, conceptModel: 'two-tower', steps: 4 }));
        })
        return { code, sentences: code === 'finished' ? (await noema.open(id)).sentences : [] }
      },
      id,
    )
  const documents: Api.DocumentContent['sentences'][] = []
  for (const nth of [1, 6]) {
    await act(page, ({ noema }) => noema.memory.forget())
    await engineOf(page).evaluate((nth) => {
      const { put } = IDBObjectStore.prototype
      IDBObjectStore.prototype.put = function (...values: Parameters<typeof put>) {
        if (--nth === 0) self.close()
        return put.apply(this, values)
      }
    }, nth)
    expect((await write(`killed ${nth}`)).code, `at write ${nth}`).toBe('worker-failed')
    await act(page, ({ load }) => load())
    const { code, sentences } = await write(`killed ${nth}`)
    expect(code).toBe('finished')
    documents.push(sentences)
  }
  const { sentences } = await write('undisturbed')
  expect(sentences.map(({ generated }) => generated)).toEqual([false, false, false, true, true])
  expect(documents).toEqual([sentences, sentences])
})

test('a storage that is filled and then wiped underneath costs no text that was there to be kept', async ({ page }) => {
  await prepare(page)
  const undisturbed = await act(page, ({ go }, text) => go(text), text)
  const { origin } = new URL(page.url())
  const devtools = await page.context().newCDPSession(page)
  const write = () =>
    act(page, async ({ noema, codeOf }) => {
      const session = await noema.open('diary')
      const code = await codeOf(async () => {
        await session.append('It rained. Tom was sad.')
        for await (const _ of session.continue({ concepts: 1, seed: 3, conceptModel: 'two-tower', steps: 4 }));
      })
      return { code, sentences: session.sentences.length, kept: (await noema.open('diary')).sentences.length }
    })
  expect(await write()).toEqual({ code: 'finished', sentences: 3, kept: 3 })

  // Chromium heeds a quota that shrinks only after half a minute; then it refuses every write like this.
  const fill = (isFull: boolean) =>
    engineOf(page).evaluate((isFull) => {
      const { prototype } = IDBObjectStore
      const refuse = () => {
        throw new DOMException('full', 'QuotaExceededError')
      }
      if (isFull) Object.assign(prototype, { put: refuse, truePut: prototype.put })
      else prototype.put = Reflect.get(prototype, 'truePut')
    }, isFull)
  await fill(true)
  expect(await write()).toEqual({ code: 'quota-exceeded', sentences: 3, kept: 3 })
  expect(await act(page, ({ go }, text) => go(text), `${text} Then`).then(({ length }) => length)).toBe(2)
  await fill(false)
  expect(await write()).toEqual({ code: 'finished', sentences: 6, kept: 6 })

  await devtools.send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' })
  expect(await act(page, ({ go }, text) => go(text), text)).toEqual(undisturbed)
  expect(await write()).toEqual({ code: 'finished', sentences: 3, kept: 3 })
  // As a script of the page would do it: the engine lets go of its databases.
  const deleted = await page.evaluate(async () => {
    const names = (await indexedDB.databases()).map(({ name }) => name!)
    for (const name of names) {
      await new Promise<void>((resolve, reject) => {
        const request = indexedDB.deleteDatabase(name)
        request.onsuccess = () => resolve()
        request.onblocked = () => reject(new Error(`${name} is in use.`))
      })
    }
    return names
  })
  expect(deleted).toContain('noema-documents')
  expect(await write()).toEqual({ code: 'finished', sentences: 3, kept: 3 })
  await act(page, ({ load }) => load())
  expect(await act(page, ({ go }, text) => go(text), text)).toEqual(undisturbed)
})

test.describe('with the model that is shipped', () => {
  test.use(shipped)

  test('on the page a crash of the GPU process costs no word, and a dead worker one click', async ({ baseURL }) => {
    // A browser of its own: after a crash it may treat its other pages with suspicion.
    const browser = await chromium.launch(launchOptions)
    try {
      const page = await browser.newPage({ baseURL: baseURL! })
      await open(page, { concepts: 2 })
      await continueButton(page).click()
      await idle(page)
      const undisturbed = await written(page).allTextContents()
      await page.getByRole('button', { name: 'Undo', exact: true }).click()
      await expect(written(page)).toHaveCount(0)

      const devtools = await browser.newBrowserCDPSession()
      await continueButton(page).click()
      await expect(stopButton(page)).toBeEnabled()
      await devtools.send('Browser.crashGpuProcess')
      await expect(page.getByText('The graphics card was reset')).toBeVisible()
      await idle(page)
      await expect(written(page)).toHaveText(undisturbed)

      await engineOf(page).evaluate(() => self.close())
      await continueButton(page).click()
      await page.getByRole('alert').getByRole('button', { name: 'Try again' }).click()
      await expect(page.getByRole('alert')).toHaveCount(0)
      await continueButton(page).click()
      await expect.poll(() => written(page).count()).toBeGreaterThan(2)
    } finally {
      await browser.close()
    }
  })
})
