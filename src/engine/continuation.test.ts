import { expect, test } from 'vitest'
import { InvalidInput } from '../errors'
import type { DecodeOptions } from '../space/space'
import { writeOn } from './continuation'
import { continueMany } from './continue-many'
import type { LoadedModel } from './loaded-model'
import type { ManyDocument } from './predictor'

const [stranger, plain] = ['Then Ben came.', 'Tom ran home with his ball.']

type Settle<Predicted, Read> = { settle?: (predicted: Predicted, position: number) => Promise<Read> }

/**
 * Predicts the concept 0 again and again, for which the same two drafts are drawn.
 * @param reread language in which predictions are read again. Default: they are not.
 * @returns what it has encoded too, with the store and without, how it was asked for other languages, and how for its predictions
 */
function model(
  reread?: string,
): LoadedModel & { read: { stored: string[]; passing: string[] }; said: DecodeOptions[]; sought: DecodeOptions[] } {
  const [said, sought]: DecodeOptions[][] = [[], []]
  const read = { stored: [] as string[], passing: [] as string[] }
  const predictor = {
    reread,
    beam: 1,
    maxLength: 100,
    recall: async () => ({ remembered: 0, restored: 0, computed: 1 }),
    async *generate(prompt: Float32Array, { concepts, settle }: { concepts: number } & Settle<Float32Array, Float32Array>) {
      for (let index = 0; index < concepts; index++) {
        await settle?.(new Float32Array(1), prompt.length + index)
        yield { embedding: new Float32Array(1), milliseconds: 0 }
      }
      return 'length'
    },
    async *generateMany(documents: ManyDocument[], { concepts, settle }: { concepts: number } & Settle<unknown[], Float32Array[]>) {
      for (let index = 0; index < concepts; index++) {
        const next = ({ prompt }: ManyDocument, document: number) => ({
          document,
          position: prompt.length + index,
          concept: new Float32Array(1),
        })
        await settle?.(documents.map(next), index)
        yield { concepts: documents.map(next), milliseconds: 0 }
      }
    },
    stored: async () => undefined,
  }
  const encode = (where: keyof typeof read) => async (sentences: string[]) => {
    read[where].push(...sentences)
    return new Float32Array(sentences.length)
  }
  const drafts = [stranger, plain].map((text, index) => ({ text, score: -index }))
  const space = {
    dim: 1,
    requireLanguage: () => undefined,
    requireDecodeOptions: () => undefined,
    candidates: async (vectors: Float32Array, options: DecodeOptions) => {
      sought.push(options)
      return Array.from(vectors, () => drafts)
    },
    decode: async (vectors: Float32Array, options: DecodeOptions) => {
      said.push(options)
      return Array.from(vectors, () => ({ text: 'Er lief.', score: 0 }))
    },
    encode: encode('passing'),
  }
  const decoding = { beam: 5, nearest: true }
  const sentences = (text: string) => [text]
  const parts = { space, decoding, encode: encode('stored'), sentences, conceptModel: async () => predictor, read, said, sought }
  return parts as unknown as ReturnType<typeof model>
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

test('of what is read again only the sentences of a text that goes on are stored', async () => {
  expect(await kept({ language: 'eng_Latn' })).toEqual({ stored: [stranger, stranger], passing: [] })
  // German is written in the words of English drafts, which are in no document.
  expect(await kept({ language: 'deu_Latn' })).toEqual({ stored: [], passing: [stranger, stranger] })
  // A summary is in no document either.
  expect(await kept({ language: 'eng_Latn', kept: 1 })).toEqual({ stored: [], passing: [stranger, stranger] })
})

test('so it is of several texts', async () => {
  const many = async (to: string) => {
    const reading = model('eng_Latn')
    const request = { texts: ['Tom had a ball.', 'Ben had a ball.'], samples: 1, language: 'eng_Latn', to, concepts: 1, seed: 1 }
    await continueMany(reading, request, new AbortController().signal, () => undefined)
    return reading.read
  }
  const texts = ['Tom had a ball.', 'Ben had a ball.']
  expect(await many('eng_Latn')).toEqual({ stored: [...texts, stranger, stranger], passing: [] })
  expect(await many('deu_Latn')).toEqual({ stored: texts, passing: [stranger, stranger] })
})

test('what is read again is said in another language as the space says its own vectors, unless the page has it otherwise', async () => {
  const { signal } = new AbortController()
  const ways = [
    [{}, { beam: 5, nearest: true }],
    [{ beam: 2 }, { beam: 2, nearest: true }],
    [{ nearest: false }, { beam: 5, nearest: false }],
    [{ textDrafts: 4 }, { beam: 5, nearest: true }],
  ] as const
  for (const [settings, expected] of ways) {
    const one = model('eng_Latn')
    const beginning = { vectors: new Float32Array(1), sentences: ['Tom had a ball.'], language: 'deu_Latn' }
    await writeOn(one, beginning, { concepts: 1, seed: 1, ...settings }, signal, () => undefined)
    const many = model('eng_Latn')
    const request = { texts: ['Tom had a ball.'], samples: 1, language: 'eng_Latn', to: 'deu_Latn', concepts: 1, seed: 1, ...settings }
    await continueMany(many, request, signal, () => undefined)
    for (const { said } of [one, many]) expect(said).toMatchObject([{ ...expected, language: 'deu_Latn' }])
  }
})

test('a prediction is searched for with the concept model’s beam, in the space’s way', async () => {
  const found = model()
  const { signal } = new AbortController()
  const beginning = { vectors: new Float32Array(1), sentences: ['Tom had a ball.'], language: 'eng_Latn' }
  await writeOn(found, beginning, { concepts: 1, seed: 1 }, signal, () => undefined)
  await continueMany(
    found,
    { texts: ['Tom had a ball.'], samples: 1, language: 'eng_Latn', to: 'eng_Latn', concepts: 1, seed: 1 },
    signal,
    () => undefined,
  )
  expect(found.sought).toMatchObject(new Array(2).fill({ beam: 1, nearest: true }))
})

test.each(['recall', 'trajectory'])('of several texts at once there is no %s', async (name) => {
  const request = { texts: ['Tom had a ball.'], samples: 1, language: 'eng_Latn', to: 'eng_Latn', concepts: 1, seed: 1 }
  const call = (value: unknown) => continueMany(model(), { ...request, [name]: value }, new AbortController().signal, () => undefined)
  await expect(call(name === 'recall' ? 3 : true)).rejects.toThrow(InvalidInput)
  await expect(call(3)).rejects.toThrow(`there is no ${name}`)
  await expect(call(undefined)).resolves.toBeDefined()
})

/** What was encoded while a text was continued by two sentences, with the store and without. */
async function kept(beginning: { language: string; kept?: number }) {
  const reading = model('eng_Latn')
  await writeOn(
    reading,
    { vectors: new Float32Array(1), sentences: ['Tom had a ball.'], ...beginning },
    { concepts: 2, seed: 1 },
    new AbortController().signal,
    () => undefined,
  )
  return reading.read
}
