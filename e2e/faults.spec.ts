import { type BrowserContext, expect, type Page, test } from '@playwright/test'
import type * as Api from '../src/api'
import { shipped } from './sites'

/** Loads `mini` in a page of its own and returns `loaded`, or the error's code and sentence. */
async function tryLoad(page: Page, abortAfter?: number): Promise<{ code: string; message: string }> {
  await page.goto('/?manual')
  return page.evaluate(async (abortAfter) => {
    const { load } = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
    const controller = new AbortController()
    const onProgress = ({ stage, loaded }: Api.Progress) => {
      if (abortAfter !== undefined && stage === 'download' && loaded > abortAfter) controller.abort()
    }
    try {
      const noema = await load('mini', { signal: controller.signal, onProgress })
      noema.dispose()
      return { code: 'loaded', message: '' }
    } catch (error) {
      const { code = 'untyped', message } = error as { code?: string; message: string }
      return { code, message }
    }
  }, abortAfter)
}

/** Answers requests for one model file with something else than the file. */
async function spoil(
  context: BrowserContext,
  file: string,
  answer: (bytes: Buffer) => { status?: number; contentType?: string; body: Buffer },
) {
  await context.route(`**/models/mini/${file}`, async (route) => {
    const response = await route.fetch()
    await route.fulfill({ ...answer(await response.body()) })
  })
}

const html = Buffer.from('<!doctype html><title>Sign in</title><p>Please sign in.</p>')
const flipped = (bytes: Buffer) => {
  const copy = Buffer.from(bytes)
  copy[copy.length >> 1] = (copy[copy.length >> 1] as number) ^ 1
  return { body: copy }
}

const faults: [what: string, file: string, answer: Parameters<typeof spoil>[2], code: string][] = [
  ['a web page in place of the weights', 'two-tower.safetensors', () => ({ contentType: 'text/html', body: html }), 'model-integrity'],
  ['a web page in place of the manifest', 'manifest.json', () => ({ contentType: 'text/html', body: html }), 'model-integrity'],
  ['one flipped bit', 'decoder-step.onnx', flipped, 'model-integrity'],
  ['a truncated file', 'encoder.onnx', (bytes) => ({ body: bytes.subarray(0, 1000) }), 'model-integrity'],
  ['an empty file', 'tokenizer.json', () => ({ body: Buffer.alloc(0) }), 'model-integrity'],
  ['a missing file', 'two-tower.safetensors', () => ({ status: 404, body: Buffer.from('Not found') }), 'download-failed'],
  ['a manifest that is not one', 'manifest.json', () => ({ body: Buffer.from('{"format":"other"}') }), 'model-format'],
]

for (const [what, file, answer, code] of faults) {
  test(`${what}: a typed error, nothing kept, and the next visit works`, async ({ context, page }) => {
    await spoil(context, file, answer)
    const outcome = await tryLoad(page)
    expect(outcome.code).toBe(code)
    expect(outcome.message).toMatch(/^\S.{20,}\.$/)
    await context.unrouteAll()
    expect((await tryLoad(page)).code).toBe('loaded')
  })
}

test.describe('with the model that is shipped', () => {
  test.use(shipped)

  test('an aborted download does not spoil the next visit', async ({ page }) => {
    expect((await tryLoad(page, 100_000)).code).toBe('aborted')
    expect((await tryLoad(page)).code).toBe('loaded')
  })
})

test('the second visit needs no download', async ({ context, page }) => {
  expect((await tryLoad(page)).code).toBe('loaded')
  await context.route('**/models/mini/**', (route) => route.abort())
  expect((await tryLoad(page)).code).toBe('loaded')
})
