import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Aborted, ContextFull, InvalidInput } from '../errors'
import type { ConceptModel, PredictOptions } from './concept-model'
import { type GeneratedConcept, type GenerateOptions, generate, seededNoise } from './generate'

/** Hands out prepared concepts and remembers what it is told. */
class ScriptedModel implements ConceptModel {
  readonly dim = 2
  readonly capacity: number
  readonly memory: number[] = []
  readonly appends: number[] = []
  readonly #script: [number, number][]

  constructor(script: [number, number][], capacity = 100) {
    this.#script = script
    this.capacity = capacity
  }

  get length() {
    return this.memory.length / 2
  }

  async append(concepts: Float32Array) {
    this.appends.push(concepts.length / 2)
    this.memory.push(...concepts)
  }

  async predict(_: PredictOptions) {
    return Float32Array.from(this.#script.shift() ?? [0, 0])
  }

  truncate(length: number) {
    this.memory.length = 2 * length
  }

  readonly rowWidth = 2

  async exportRows(start: number, end: number) {
    return Float32Array.from(this.memory.slice(2 * start, 2 * end))
  }

  importRows(rows: Float32Array) {
    return this.append(rows)
  }

  fork(): ConceptModel {
    throw new Error('not used')
  }

  dispose() {}
}

const prompt = Float32Array.of(1, 0, 0, 1)
const right: [number, number] = [2, 0]
const up: [number, number] = [0, 3]
const slanted: [number, number] = [1, 1]

async function run(model: ConceptModel, options: Partial<GenerateOptions> = {}, start = prompt): Promise<GeneratedConcept[]> {
  const concepts: GeneratedConcept[] = []
  for await (const concept of generate(model, start, { noise: seededNoise(1), maxConcepts: 5, ...options })) concepts.push(concept)
  return concepts
}

test('appends the prompt, then each concept but the last, and says where each one stands', async () => {
  const model = new ScriptedModel([right, up, right])
  const concepts = await run(model, { maxConcepts: 3 })
  expect(concepts.map(({ position }) => position)).toEqual([2, 3, 4])
  expect(concepts.map(({ stop }) => stop)).toEqual([null, null, 'length'])
  expect(model.memory).toEqual([...prompt, ...right, ...up])
})

test('what is settled on stands in the document, and ends it where the prediction would not have', async () => {
  const model = new ScriptedModel([right, up, slanted])
  const settle = async ([x = 0, y = 0]: Float32Array, position: number) => Float32Array.of(y, position === 4 ? -3 : x)
  const endOfText = { concept: Float32Array.of(1, -3), threshold: 0.9 }
  const concepts = await run(model, { settle, endOfText })
  expect(concepts.map(({ concept, stop }) => [[...concept], stop])).toEqual([
    [[0, 2], null],
    [[3, 0], null],
    [[1, -3], 'end-of-text'],
  ])
  expect(model.memory).toEqual([...prompt, 0, 2, 3, 0])
})

test('a prediction that ends the text is not settled', async () => {
  const model = new ScriptedModel([right, up])
  const settled: number[] = []
  const settle = async (concept: Float32Array, position: number) => {
    settled.push(position)
    return concept
  }
  const concepts = await run(model, { settle, endOfText: { concept: Float32Array.of(0, 1), threshold: 0.9 } })
  expect(concepts.map(({ stop }) => stop)).toEqual([null, 'end-of-text'])
  expect(settled).toEqual([2])
})

test('does not compute again what the model already remembers', async () => {
  const model = new ScriptedModel([right])
  await model.append(prompt.subarray(0, 2))
  await run(model, { maxConcepts: 1 })
  expect(model.appends).toEqual([1, 1])
})

test('stops at the end of the text, but never at the first concept unless asked', async () => {
  const endOfText = { concept: Float32Array.of(5, 0), threshold: 0.9 }
  expect((await run(new ScriptedModel([right, right, up]), { endOfText })).map(({ stop }) => stop)).toEqual([null, 'end-of-text'])
  expect((await run(new ScriptedModel([right, up]), { endOfText, minConcepts: 0 })).map(({ stop }) => stop)).toEqual(['end-of-text'])
  const third = await run(new ScriptedModel([right, right, right]), { endOfText, minConcepts: 2 })
  expect(third.map(({ stop }) => stop)).toEqual([null, null, 'end-of-text'])
})

test('stops at a repetition of the concept before, the prompt’s last included', async () => {
  const repetitionThreshold = 0.95
  expect((await run(new ScriptedModel([up, right, right]), { repetitionThreshold })).map(({ stop }) => stop)).toEqual([
    null,
    null,
    'repetition',
  ])
  expect((await run(new ScriptedModel([up]), { repetitionThreshold, minConcepts: 0 })).map(({ stop }) => stop)).toEqual(['repetition'])
})

test('names the first rule that applies: end of text, repetition, length, memory', async () => {
  const endOfText = { concept: Float32Array.of(1, 0), threshold: 1 }
  const all = { endOfText, repetitionThreshold: 1, maxConcepts: 2 }
  expect((await run(new ScriptedModel([right, right], 3), all)).at(-1)!.stop).toBe('end-of-text')
  expect((await run(new ScriptedModel([up, up], 3), all)).at(-1)!.stop).toBe('repetition')
  expect((await run(new ScriptedModel([up, slanted], 3), all)).at(-1)!.stop).toBe('length')
  expect((await run(new ScriptedModel([up, slanted], 3), { maxConcepts: 9 })).map(({ stop }) => stop)).toEqual([null, 'context-full'])
})

test('thresholds are inclusive, and a zero concept is like nothing', async () => {
  const endOfText = { concept: Float32Array.of(1, 0), threshold: 0.6 }
  expect((await run(new ScriptedModel([up, [3, 4]]), { endOfText, maxConcepts: 9 })).at(-1)!.stop).toBe('end-of-text')
  const zero = await run(new ScriptedModel([]), { endOfText: { concept: new Float32Array(2), threshold: 0.1 }, repetitionThreshold: 0.1 })
  expect(zero).toHaveLength(5)
})

test('a prompt of one concept works, one of none does not', async () => {
  expect(await run(new ScriptedModel([right]), { maxConcepts: 1 }, Float32Array.of(1, 2))).toHaveLength(1)
  await expect(run(new ScriptedModel([]), {}, new Float32Array(0))).rejects.toThrow(InvalidInput)
})

test('refuses what does not fit', async () => {
  await expect(run(new ScriptedModel([]), {}, new Float32Array(3))).rejects.toThrow(InvalidInput)
  await expect(run(new ScriptedModel([]), {}, Float32Array.of(1, Number.NaN))).rejects.toThrow('not finite')
  await expect(run(new ScriptedModel([], 1))).rejects.toThrow(ContextFull)
  await expect(run(new ScriptedModel([]), { maxConcepts: 0 })).rejects.toThrow(InvalidInput)
  await expect(run(new ScriptedModel([]), { endOfText: { concept: new Float32Array(3), threshold: 1 } })).rejects.toThrow(InvalidInput)
  const full = new ScriptedModel([])
  await full.append(new Float32Array(6))
  await expect(run(full)).rejects.toThrow('truncate')
  for (const seed of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => seededNoise(seed)).toThrow(InvalidInput)
})

test('an abort between concepts ends the generation', async () => {
  const controller = new AbortController()
  const concepts = generate(new ScriptedModel([right, up]), prompt, { noise: seededNoise(1), maxConcepts: 5, signal: controller.signal })
  await concepts.next()
  controller.abort()
  await expect(concepts.next()).rejects.toThrow(Aborted)
})

test('noise depends on the seed and the position only, so a continued document repeats it', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat({ max: 500 }), (seed, position) => {
      expect(seededNoise(seed)(position)(4)).toEqual(seededNoise(seed)(position)(4))
      expect(seededNoise(seed)(position)(4)).not.toEqual(seededNoise(seed)(position + 1)(4))
    }),
  )
})

test('at most maxConcepts come, and only the last has a reason', async () => {
  const vectors = fc.array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -3, max: 3 })), { maxLength: 10 })
  await fc.assert(
    fc.asyncProperty(vectors, fc.integer({ min: 1, max: 10 }), async (script, maxConcepts) => {
      const concepts = await run(new ScriptedModel(script), { maxConcepts, repetitionThreshold: 0.99 })
      expect(concepts.length).toBeLessThanOrEqual(maxConcepts)
      expect(concepts.findIndex(({ stop }) => stop !== null)).toBe(concepts.length - 1)
    }),
  )
})
