import { expect, test } from 'vitest'
import { InvalidInput } from '../errors'
import { wording } from './wording'

test('without a setting of sampling the text is searched for, with the model’s beam', () => {
  expect(wording({}, { seed: 1, beam: 4 })).toEqual({ beam: 4 })
  expect(wording({ beam: 2, maxTokens: 9 }, { seed: 1, beam: 4 })).toEqual({ beam: 2, maxTokens: 9 })
})

test('what is found is read again where the page or the model has it so', () => {
  expect(wording({}, { seed: 1, beam: 4, nearest: true })).toEqual({ beam: 4, nearest: true })
  expect(wording({ nearest: false }, { seed: 1, beam: 4, nearest: true })).toEqual({ beam: 4, nearest: false })
  expect(wording({ nearest: true }, { seed: 1, beam: 4 })).toEqual({ beam: 4, nearest: true })
  expect(wording({ textTopK: 5 }, { seed: 1, beam: 4, nearest: true }).sampling).toMatchObject({ topK: 5 })
})

test('any setting of sampling draws, each concept from numbers of its own', () => {
  for (const settings of [{ textTopK: 5 }, { textTopP: 0.9 }, { textTemperature: 1 }]) {
    const { sampling, beam } = wording(settings, { seed: 1, beam: 4, first: 3 })
    expect(beam).toBeUndefined()
    const numbers = (index: number) => {
      const random = sampling!.random(index)
      return [random(), random()]
    }
    expect(numbers(0)).toEqual(numbers(0))
    expect(numbers(1)).not.toEqual(numbers(0))
    expect(wording(settings, { seed: 1, beam: 4 }).sampling!.random(3)()).toBe(numbers(0)[0])
    expect(wording(settings, { seed: 2, beam: 4, first: 3 }).sampling!.random(0)()).not.toBe(numbers(0)[0])
  }
})

test('both at once, or a seed that is none, are refused', () => {
  expect(() => wording({ beam: 2, textTopK: 5 }, { seed: 1, beam: 4 })).toThrow(InvalidInput)
  expect(() => wording({ nearest: true, textTopK: 5 }, { seed: 1, beam: 4 })).toThrow(InvalidInput)
  expect(() => wording({ textTopK: 5 }, { seed: 0.5, beam: 4 })).toThrow(InvalidInput)
})

test('what the model says of words holds where the page says nothing, and only there', () => {
  const text = { textTemperature: 0.7, textTopP: 0.9, textDrafts: 6 }
  expect(wording({ maxTokens: 9 }, { seed: 1, beam: 4, text })).toMatchObject({
    sampling: { temperature: 0.7, topP: 0.9, drafts: 6 },
    maxTokens: 9,
  })
  expect(wording({ beam: 1 }, { seed: 1, beam: 4, text })).toEqual({ beam: 1 })
  expect(wording({ nearest: true }, { seed: 1, beam: 4, text })).toEqual({ beam: 4, nearest: true })
  expect(wording({ nearest: false }, { seed: 1, beam: 4, text }).sampling).toMatchObject({ drafts: 6 })
  expect(wording({ textTopK: 5 }, { seed: 1, beam: 4, text }).sampling).toMatchObject({
    topK: 5,
    temperature: undefined,
    drafts: undefined,
  })
  expect(wording({ textDrafts: 2 }, { seed: 1, beam: 4 }).sampling).toMatchObject({ drafts: 2 })
})
