import { expect, test } from 'vitest'
import type { Concept } from '../engine/protocol'
import { Aborted } from '../errors'
import type { Connection } from './connection'
import { Session } from './session'

/**
 * A worker that keeps one document, and continues it sentence by sentence.
 * @param onStored called with how many there are, when one is stored and nothing was told of it. Whether it is to be told. Default: it is.
 */
function worker(onStored: (stored: number) => boolean = () => true) {
  const stored: string[] = []
  const told: (() => void)[] = []
  const contents = () => ({
    title: '',
    sentences: stored.map((text) => ({ text, language: 'eng_Latn', generated: true })),
    remembered: false,
  })
  const engine = {
    changeDocument: async () => contents(),
    continueDocument: async (_job: number, _id: string, { concepts }: { concepts: number }, onConcept: (concept: Concept) => void) => {
      for (let index = 0; index < concepts; index++) {
        const text = `Sentence ${index}.`
        stored.push(text)
        const tell = () =>
          onConcept({ index, text, language: 'eng_Latn', embedding: new Float32Array(1), timing: { predict: 0, decode: 0 } })
        told.push(tell)
        if (onStored(stored.length)) tell()
        await new Promise((resolve) => setTimeout(resolve))
      }
      return { stop: 'length', sentences: [], recalled: [], rows: { remembered: 0, restored: 0, computed: 0 } }
    },
  }
  const connection = {
    call: (signal: AbortSignal | undefined, run: (remote: typeof engine, job: number) => Promise<unknown>) => {
      const aborted = new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(new Aborted('The call was aborted.')))
      })
      return Promise.race([run(engine, 1), aborted])
    },
    callback: <F>(run: F) => run,
  } as unknown as Connection
  return { connection, stored, tellAgain: () => told.at(-1)!() }
}

const texts = ({ sentences }: Session) => sentences.map(({ text }) => text)

test('a session whose loop is left knows of what was stored meanwhile', async () => {
  const { connection, stored, tellAgain } = worker()
  const session = await Session.open(connection, 'diary')
  for await (const _ of session.continue()) {
    stored.push('It was on its way.')
    break
  }
  expect(texts(session)).toEqual(['Sentence 0.', 'It was on its way.'])
  // News that come when the document was read already are in it.
  tellAgain()
  expect(texts(session)).toEqual(['Sentence 0.', 'It was on its way.'])
})

test('a session whose continuation is aborted knows of the sentence that was stored all the same', async () => {
  const controller = new AbortController()
  const { connection, stored } = worker((count) => {
    if (count === 2) controller.abort()
    return count < 2
  })
  const session = await Session.open(connection, 'diary')
  const go = async () => {
    for await (const _ of session.continue({ signal: controller.signal }));
  }
  await expect(go()).rejects.toThrow(Aborted)
  expect(stored.length).toBeGreaterThanOrEqual(2)
  expect(texts(session)).toEqual(stored)
})

test('a continuation that ends by itself is not looked at again', async () => {
  const { connection, stored } = worker()
  const session = await Session.open(connection, 'diary')
  for await (const _ of session.continue({ concepts: 2 }));
  stored.push('Another tab wrote this.')
  expect(texts(session)).toEqual(['Sentence 0.', 'Sentence 1.'])
})
