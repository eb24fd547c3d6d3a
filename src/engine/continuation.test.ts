import { expect, test } from 'vitest'
import { writeOn } from './continuation'
import { continueMany } from './continue-many'
import type { LoadedModel } from './loaded-model'
import type { ManyDocument } from './predictor'

const [stranger, plain] = ['Then Ben came.', 'Tom ran home with his ball.']

/** Predicts the concept 0 again and again, for which the same two drafts are drawn. */
function model(): LoadedModel {
  const predictor = {
    beam: 1,
    maxLength: 100,
    recall: async () => ({ remembered: 0, restored: 0, computed: 1 }),
    async *generate(_: Float32Array, { concepts }: { concepts: number }) {
      for (let index = 0; index < concepts; index++) yield { embedding: new Float32Array(1), milliseconds: 0 }
      return 'length'
    },
    async *generateMany(documents: ManyDocument[], { concepts }: { concepts: number }) {
      for (let index = 0; index < concepts; index++) {
        const next = ({ prompt }: ManyDocument, document: number) => ({
          document,
          position: prompt.length + index,
          concept: new Float32Array(1),
        })
        yield { concepts: documents.map(next), milliseconds: 0 }
      }
    },
    stored: async () => undefined,
  }
  const drafts = [stranger, plain].map((text, index) => ({ text, score: -index }))
  const space = {
    dim: 1,
    requireLanguage: () => undefined,
    requireDecodeOptions: () => undefined,
    candidates: async (vectors: Float32Array) => Array.from(vectors, () => drafts),
  }
  const encode = async (sentences: string[]) => new Float32Array(sentences.length)
  return { space, encode, sentences: (text: string) => [text], conceptModel: async () => predictor } as unknown as LoadedModel
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

test('of several texts each has its drafts chosen as if it were alone', async () => {
  const texts = ['Tom had a ball.', 'Tom and Ben had a ball.', 'Tom ran home with his dog.']
  const found: string[][] = texts.map(() => [])
  await continueMany(
    model(),
    { texts, samples: 1, language: 'eng_Latn', to: 'eng_Latn', concepts: 2, seed: 1, textDrafts: 2 },
    new AbortController().signal,
    ({ document, text }) => void found[document]!.push(text),
  )
  expect(found).toEqual(await Promise.all(texts.map((text) => written({ textDrafts: 2 }, [text]))))
})
