import { expect, test } from 'vitest'
import { writeOn } from './continuation'
import type { LoadedModel } from './loaded-model'

const [stranger, plain] = ['Then Ben came.', 'Tom ran home with his ball.']

/** Predicts the same concept again and again, for which the same two drafts are drawn. */
function model(): LoadedModel {
  const predictor = {
    beam: 1,
    distanceWeight: 0,
    recall: async () => ({ remembered: 0, restored: 0, computed: 1 }),
    async *generate(_: Float32Array, { concepts }: { concepts: number }) {
      for (let index = 0; index < concepts; index++) yield { embedding: new Float32Array(1), milliseconds: 0 }
      return 'length'
    },
    stored: async () => undefined,
  }
  const drafts = [stranger, plain].map((text, index) => ({ text, score: -index }))
  const space = { dim: 1, requireDecodeOptions: () => undefined, candidates: async () => [drafts] }
  return { space, conceptModel: async () => predictor } as unknown as LoadedModel
}

async function written(settings: { textDrafts?: number; beam?: number }, sentences: string[]): Promise<string[]> {
  const texts: string[] = []
  const beginning = { vectors: new Float32Array(sentences.length), sentences, language: 'eng_Latn' }
  await writeOn(
    model(),
    beginning,
    { concepts: 2, seed: 1, ...settings },
    new AbortController().signal,
    ({ text }) => void texts.push(text),
  )
  return texts
}

test('drafts are chosen by the text they continue and by what has been written since', async () => {
  expect(await written({ textDrafts: 2 }, ['Tom had a ball.'])).toEqual([plain, stranger])
  expect(await written({ textDrafts: 2 }, ['Tom and Ben had a ball.'])).toEqual([stranger, plain])
  expect(await written({ textDrafts: 2 }, ['Tom ran home with his dog.'])).toEqual([stranger, stranger])
})

test('what is searched for is the likeliest, whatever the text says', async () => {
  expect(await written({ beam: 2 }, ['Tom had a ball.'])).toEqual([stranger, stranger])
})
