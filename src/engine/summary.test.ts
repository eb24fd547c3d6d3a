import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InvalidInput } from '../errors'
import type { BaseLcmManifest } from '../formats/concept-model-manifest'
import { describeConceptModel } from './sampling'
import { requireRatio, summaryLength, summaryOf } from './summary'

const baseLcm: BaseLcmManifest = {
  family: 'base_lcm',
  file: 'weights',
  architecture: { sonar_dim: 8, model_dim: 8, heads: 1, ffn_inner: 8, max_seq_len: 30, layers: 1 },
  decoding: { sample: true, temperature: 0.3, endOfTextThreshold: 0.9, stopOnRepetitionThreshold: 0.8, beam: 4 },
}
const able: BaseLcmManifest = { ...baseLcm, summaryPrompt: 'In short.' }

describe('how long a summary may be', () => {
  test('hundredths of the text, rounded up as whole numbers are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 1_000_000 }), (percent, sentences) => {
        const wholes = Number((BigInt(percent) * BigInt(sentences) + 99n) / 100n)
        expect(summaryLength(sentences, percent / 100)).toBe(wholes)
      }),
      { numRuns: 5000 },
    )
  })

  test('one sentence at least, the whole text at most', () => {
    expect(summaryLength(1, 0.2)).toBe(1)
    expect(summaryLength(3, Number.MIN_VALUE)).toBe(1)
    expect(summaryLength(5, 0.2)).toBe(1)
    expect(summaryLength(6, 0.2)).toBe(2)
    expect(summaryLength(7, 1)).toBe(7)
    expect(summaryLength(100, 0.55)).toBe(55)
  })

  test.each([0, -0.1, 1.01, Number.NaN, Number.POSITIVE_INFINITY, '0.2', null, undefined])('a ratio of %s is refused', (ratio) => {
    expect(() => requireRatio(ratio as number)).toThrow(InvalidInput)
    expect(() => requireRatio(ratio as number)).toThrow(/^ratio must be a number above 0 and at most 1, not /)
  })

  test.each([Number.MIN_VALUE, 0.2, 1])('a ratio of %s is taken', (ratio) => {
    expect(() => requireRatio(ratio)).not.toThrow()
  })
})

describe('what a concept model makes of it', () => {
  const twoTower = {
    family: 'two_tower',
    summaryPrompt: 'To sum up:',
    architecture: baseLcm.architecture,
    decoding: baseLcm.decoding,
  } as never

  test('its own sentence; a Base-LCM without noise, though it samples otherwise', () => {
    const folder = { conceptModels: { able, twoTower }, defaultConceptModel: 'able' }
    expect(summaryOf(folder)).toEqual({ summaryPrompt: 'In short.', temperature: 0 })
    expect(summaryOf(folder, 'twoTower')).toEqual({ summaryPrompt: 'To sum up:' })
  })

  test('one that has not learnt to is refused, and the others that have are named', () => {
    const others = { conceptModels: { baseLcm, able, twoTower }, defaultConceptModel: 'baseLcm' }
    expect(() => summaryOf(others)).toThrow(InvalidInput)
    expect(() => summaryOf(others)).toThrow('The concept model baseLcm has not learnt to summarise: choose able or twoTower, which has.')
    const none = { conceptModels: { baseLcm }, defaultConceptModel: 'baseLcm' }
    expect(() => summaryOf(none)).toThrow('load a model folder with one that has, whose manifest names its summaryPrompt')
  })

  test('a page is told', () => {
    expect(describeConceptModel(able)).toEqual({ ...describeConceptModel(baseLcm), summaryPrompt: 'In short.' })
    expect(describeConceptModel(baseLcm)).not.toHaveProperty('summaryPrompt')
  })
})
