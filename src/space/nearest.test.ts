import { expect, test } from 'vitest'
import { nearestFirst } from './nearest'

const vectors: Record<string, number[]> = { 'Tom ran.': [1, 0], 'Tom run.': [0.8, 0.1], 'Il court.': [0, 3], 'He runs.': [0, 3.1] }

async function chosen(vector: number[], sentences: [text: string, score: number][]): Promise<string[]> {
  const found = sentences.map(([text, score]) => ({ text, score }))
  const encode = async (texts: string[]) => Float32Array.from(texts.flatMap((text) => vectors[text]!))
  const [first] = await nearestFirst([found], Float32Array.from(vector), 2, encode)
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
  const own = { near: [0.5, 0], far: [2, 0] }
  const encode = async (texts: string[]) => Float32Array.from(texts.flatMap((text) => own[text as keyof typeof own]))
  const first = async (score: number) => {
    const found = [
      { text: 'far', score },
      { text: 'near', score: -2 },
    ]
    return (await nearestFirst([found], Float32Array.of(0, 0), 2, encode))[0]![0]!.text
  }
  expect(await first(-0.62)).toBe('near')
  expect(await first(-0.6)).toBe('far')
})

test('each text is read once, a vector without words keeps its order, and one without text comes last', async () => {
  const reads: string[][] = []
  const encode = async (texts: string[]) => {
    reads.push(texts)
    return Float32Array.from(texts.flatMap((text) => vectors[text]!))
  }
  const sentence = (text: string) => ({ text, score: -1 })
  // Nothing is left of a zero-width space either.
  const found = [[sentence(' '), sentence('Tom ran.'), sentence('Tom run.')], [sentence('Tom ran.')], [sentence(''), sentence('\u200b')]]
  const first = await nearestFirst(found, Float32Array.of(1, 0, 0, 0, 1, 1), 2, encode)
  expect(first.map((all) => all.map(({ text }) => text))).toEqual([['Tom ran.', 'Tom run.', ' '], ['Tom ran.'], ['', '\u200b']])
  expect(reads).toEqual([['Tom ran.', 'Tom run.']])
})
