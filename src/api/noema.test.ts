import { expect, test } from 'vitest'
import type { ModelInfo } from '../engine/protocol'
import type { Connection } from './connection'
import { Noema } from './noema'
import { Session } from './session'

/** What the worker was asked to do last: its request. */
async function asked(call: (noema: Noema, session: Session) => AsyncGenerator<unknown, unknown>): Promise<unknown> {
  let request: unknown
  const note = async (...values: unknown[]) => {
    request = values.find((value) => typeof value === 'object')
  }
  const engine = {
    continue: note,
    continueMany: note,
    summarize: note,
    continueDocument: note,
    changeDocument: async () => ({ sentences: [] }),
  }
  const connection = {
    call: (_: unknown, run: (remote: typeof engine, job: number) => Promise<unknown>) => run(engine, 1),
    callback: <F>(run: F) => run,
  } as unknown as Connection
  const session = await Session.open(connection, 'diary')
  await call(new Noema(connection, {} as ModelInfo), session).next()
  return request
}

const none = { seed: undefined, language: undefined, to: undefined }

test('a setting that is undefined is as one that is left out', async () => {
  const defaults = { text: 'Tom ran.', language: 'eng_Latn', to: 'eng_Latn', seed: 0, concepts: 5 }
  expect(await asked((noema) => noema.continue('Tom ran.'))).toEqual(defaults)
  expect(await asked((noema) => noema.continue('Tom ran.', { ...none, concepts: undefined }))).toEqual(defaults)
  const { text, ...others } = defaults
  const many = { ...others, texts: [text], samples: 1 }
  expect(await asked((noema) => noema.continueMany([text], { ...none, concepts: undefined, samples: undefined }))).toEqual(many)
  const summary = { of: { text, language: 'eng_Latn' }, seed: 0, ratio: 0.2 }
  expect(await asked((noema) => noema.summarize(text, { ...none, ratio: undefined }))).toEqual(summary)
  const [seed, ratio, concepts] = [undefined, undefined, undefined]
  expect(await asked((_, session) => session.continue({ seed, concepts }))).toEqual({ seed: 0, concepts: 5 })
  expect(await asked((_, session) => session.summarize({ seed, ratio }))).toEqual({ of: { document: 'diary' }, seed: 0, ratio: 0.2 })
})

test('a text is written on in its own language, unless another is asked for', async () => {
  expect(await asked((noema) => noema.continue('Er lief.', { language: 'deu_Latn' }))).toMatchObject({
    language: 'deu_Latn',
    to: 'deu_Latn',
  })
  const french = { language: 'deu_Latn', to: 'fra_Latn' }
  expect(await asked((noema) => noema.continueMany(['Er lief.'], french))).toMatchObject(french)
})
