import { join } from 'node:path'
import { expect, test } from '@playwright/test'
import type * as Api from '../src/api'
import { folderWithAllFamilies } from './model-folder'

const folder = folderWithAllFamilies()

test('a text that would outgrow a model with learned positions is refused in a sentence, by every call', async ({ context, page }) => {
  await context.route('**/models/all/**', (route) =>
    route.fulfill({ path: join(folder, new URL(route.request().url()).pathname.slice('/models/all/'.length)) }),
  )
  await page.goto('/?manual')
  const refusals = await page.evaluate(async () => {
    const { load } = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
    const noema = await load('all')
    const refusal = (call: Promise<unknown>) =>
      call.then(
        () => 'finished',
        ({ code, message, details }) => ({ code, message, details }),
      )
    const text = 'Tom had a red ball. He played with it. One day it was gone.'
    const sentences = Array.from({ length: 31 }, (_, n) => `Sentence ${n}.`)
    const refusals: Record<string, unknown> = {}
    for (const conceptModel of ['single', 'near', 'unit']) {
      refusals[conceptModel] = [
        await refusal(noema.continue(text, { conceptModel, concepts: 28 }).next()),
        await refusal(noema.continueMany([text], { conceptModel, concepts: 28 }).next()),
        await refusal(noema.predict(sentences, { conceptModel })),
      ]
    }
    noema.dispose()
    return refusals
  })
  const details = { sentences: 3, concepts: 28, maxLength: 30 }
  const expected = [
    {
      code: 'context-full',
      message:
        'The text has 3 sentences; with 28 new ones that is more than the 30 concepts this model holds. Shorten the text or ask for fewer.',
      details,
    },
    {
      code: 'context-full',
      message: 'A text has 3 sentences; with 28 new ones that is more than the 30 concepts this model holds. Shorten it or ask for fewer.',
      details,
    },
    { code: 'context-full', message: 'The document has 31 sentences; this model holds 30 concepts.', details: {} },
  ]
  expect(refusals).toEqual({ single: expected, near: expected, unit: expected })
})
