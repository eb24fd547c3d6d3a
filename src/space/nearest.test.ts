import { expect, test } from 'vitest'
import { nearestFirst, type Tools } from './nearest'
import type { DecodedSentence } from './space'

const vectors: Record<string, number[]> = { 'Tom ran.': [1, 0], 'Tom run.': [0.8, 0.1], 'Il court.': [0, 3], 'He runs.': [0, 3.1] }

/** Reads sentences as these vectors, and finds nothing but what is already there. */
function reader(own: Record<string, number[]>, search: Tools['search'] = async (vectors) => Array(vectors.length / 2).fill([])): Tools {
  return { encode: async (texts) => Float32Array.from(texts.flatMap((text) => own[text]!)), search }
}

async function chosen(vector: number[], sentences: [text: string, score: number][]): Promise<string[]> {
  const found = sentences.map(([text, score]) => ({ text, score }))
  const [first] = await nearestFirst([found], Float32Array.from(vector), 2, reader(vectors))
  return first!.map(({ text }) => text)
}

test('a sentence that leads back to the vector wins over a likelier one', async () => {
  const sentences: [string, number][] = [
    ['Tom run.', -0.2],
    ['Tom ran.', -0.9],
  ]
  expect(await chosen([1, 0], sentences)).toEqual(['Tom ran.', 'Tom run.'])
})

test('of sentences that are all far away the likelier one wins', async () => {
  const sentences: [string, number][] = [
    ['He runs.', -0.2],
    ['Il court.', -0.9],
  ]
  expect(await chosen([1, 0], sentences)).toEqual(['He runs.', 'Il court.'])
})

test('the value is the log-probability less ln of the distance', async () => {
  // Distances 0.5 and 2: ln 4 is 1.386.
  const tools = reader({ near: [0.5, 0], far: [2, 0] })
  const first = async (score: number) => {
    const found = [
      { text: 'far', score },
      { text: 'near', score: -2 },
    ]
    return (await nearestFirst([found], Float32Array.of(0, 0), 2, tools))[0]![0]!.text
  }
  expect(await first(-0.62)).toBe('near')
  expect(await first(-0.6)).toBe('far')
})

test('each text is read once, a vector without words keeps its order, and one without text comes last', async () => {
  const reads: string[][] = []
  const tools = reader(vectors)
  const encode = (texts: string[]) => {
    reads.push(texts)
    return tools.encode(texts)
  }
  const sentence = (text: string) => ({ text, score: -1 })
  // Nothing is left of a zero-width space either.
  const found = [[sentence(' '), sentence('Tom ran.'), sentence('Tom run.')], [sentence('Tom ran.')], [sentence(''), sentence('\u200b')]]
  const first = await nearestFirst(found, Float32Array.of(1, 0, 0, 0, 1, 1), 2, { ...tools, encode })
  expect(first.map((all) => all.map(({ text }) => text))).toEqual([['Tom ran.', 'Tom run.', ' '], ['Tom ran.'], ['', '\u200b']])
  expect(reads).toEqual([['Tom ran.', 'Tom run.']])
})

/** What is found for one vector [1, 0], with the vectors that were searched for after it; each search finds the next of `later`. */
async function corrected(own: Record<string, number[]>, first: string[], later: string[][]) {
  const searches: number[][] = []
  const sentences = (texts: string[]): DecodedSentence[] => texts.map((text) => ({ text, score: -1 }))
  const search = async (vectors: Float32Array) => {
    searches.push(Array.from(vectors))
    return [sentences(later[searches.length - 1] ?? [])]
  }
  const [found] = await nearestFirst([sentences(first)], Float32Array.of(1, 0), 2, reader(own, search))
  return { found: found!.map(({ text }) => text), searches }
}

test('what is near is searched for again on the far side of it, until a sentence leads back', async () => {
  const own = { 'Tom run.': [0.875, 0.125], 'Tom ran.': [1, 0] }
  const { found, searches } = await corrected(own, ['Tom run.'], [['Tom ran.', 'Tom run.']])
  expect(found).toEqual(['Tom ran.', 'Tom run.'])
  expect(searches).toEqual([[1.0625, -0.0625]])
})

test('each sentence is corrected once, the best first, four at most', async () => {
  const own = { a: [0.75, 0], b: [0.875, 0], c: [1.25, 0], d: [1, 0.25], e: [1, -0.25], f: [1, 0.3] }
  const { found, searches } = await corrected(own, ['a', 'a'], [['b'], ['c', 'd', 'e'], [''], ['f']])
  expect(found).toEqual(['b', 'a', 'c', 'd', 'e', 'f', ''])
  expect(searches).toEqual([
    [1.125, 0],
    [1.0625, 0],
    [0.875, 0],
    [1, -0.125],
  ])
})

test('nothing is searched for again where the best leads back, is far away, or has no text', async () => {
  for (const own of [{ a: [1, 0.009] }, { a: [1, 0.34] }]) expect((await corrected(own, ['a'], [])).searches).toEqual([])
  expect((await corrected({}, [''], [])).searches).toEqual([])
})

test('of several vectors those that are off are corrected together', async () => {
  const own = { 'Tom run.': [0.875, 0.125], 'Tom ran.': [1, 0], 'He sang.': [0, 1], 'He sings.': [0, 0.75] }
  const searches: number[] = []
  const search = async (vectors: Float32Array) => {
    searches.push(vectors.length / 2)
    return [[{ text: 'Tom ran.', score: -1 }], [{ text: 'He sang.', score: -1 }]]
  }
  const found = ['Tom run.', 'He sang.', 'He sings.'].map((text) => [{ text, score: -1 }])
  const first = await nearestFirst(found, Float32Array.of(1, 0, 0, 1, 0, 1), 2, reader(own, search))
  expect(first.map(([best]) => best!.text)).toEqual(['Tom ran.', 'He sang.', 'He sang.'])
  expect(searches).toEqual([2])
})
