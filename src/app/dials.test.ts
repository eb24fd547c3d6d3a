import { expect, test } from 'vitest'
import type { Noema } from '../api'
import {
  applies,
  continueOptions,
  type Dials,
  firstDials,
  fitToDial,
  matchingPreset,
  presetOf,
  presets,
  summarizes,
  summaryOptions,
} from './dials'

type ConceptModelInfo = Noema['info']['conceptModels'][string]

function folder(settings: object, beam: number) {
  const twoTower = { family: 'two_tower', maxConcepts: 512, beam, settings } as ConceptModelInfo
  const base = { family: 'base_lcm', maxConcepts: 512, beam: 5, settings: { temperature: 0.4 } } as ConceptModelInfo
  return { conceptModels: { 'two-tower': twoTower, 'base-lcm': base }, defaultConceptModel: 'two-tower' } as unknown as Noema['info']
}

const info = folder({ steps: 20, guidance: 3, initialNoiseScale: 0.6 }, 5)

test('Balanced is what the model was made for, and the others lie on both sides of it', () => {
  const [careful, balanced, bold] = presets.map((preset) => presetOf(info, 'two-tower', preset))
  expect(balanced).toMatchObject({ steps: 20, guidance: 3, initialNoiseScale: 0.6, beam: 5 })
  expect(careful!.initialNoiseScale).toBeLessThan(balanced!.initialNoiseScale)
  expect(bold!.initialNoiseScale).toBeGreaterThan(balanced!.initialNoiseScale)
  expect(careful!.steps).toBeGreaterThan(balanced!.steps)
})

test('a preset stays within the dials, and is recognised until a dial is turned', () => {
  const large = folder({ steps: 90, guidance: 3, initialNoiseScale: 2.5 }, 12)
  for (const preset of presets) {
    const dials: Dials = { ...firstDials, conceptModel: 'two-tower', ...presetOf(large, 'two-tower', preset) }
    expect(dials.steps).toBeLessThanOrEqual(100)
    expect(dials.beam).toBeLessThanOrEqual(16)
    expect(dials.initialNoiseScale).toBeLessThanOrEqual(3)
    expect(matchingPreset(large, dials)).toBe(preset)
    expect(matchingPreset(large, { ...dials, steps: 7 })).toBeUndefined()
  }
})

test('a dial that the concept model does not heed is neither sent nor counted for the preset', () => {
  const dials: Dials = { ...firstDials, conceptModel: 'base-lcm', ...presetOf(info, 'base-lcm', 'bold'), steps: 7 }
  expect(applies(info, 'base-lcm', 'steps')).toBe(false)
  expect(matchingPreset(info, dials)).toBe('bold')
  expect(continueOptions(info, dials)).toEqual({ conceptModel: 'base-lcm', concepts: 5, seed: 1, temperature: 0.6, beam: 5 })
})

test('a model that draws its words is sent a beam only where that is not its usual one', () => {
  const { 'base-lcm': base } = info.conceptModels
  const drawing = { ...info, conceptModels: { 'base-lcm': { ...base, text: { textDrafts: 6 } } } } as unknown as Noema['info']
  const dials: Dials = { ...firstDials, conceptModel: 'base-lcm', ...presetOf(drawing, 'base-lcm', 'balanced') }
  expect(continueOptions(drawing, dials)).not.toHaveProperty('beam')
  expect(continueOptions(drawing, { ...dials, beam: dials.beam + 1 })).toMatchObject({ beam: dials.beam + 1 })
})

test('a Quant-LCM is sent guidance and temperature alone', () => {
  const settings = { guidance: 1.5, temperature: 0.14, topK: 5 }
  const quant = { family: 'quant_lcm_c', maxConcepts: 512, beam: 4, settings } as ConceptModelInfo
  const quantInfo = { conceptModels: { quant }, defaultConceptModel: 'quant' } as unknown as Noema['info']
  const dials: Dials = { ...firstDials, conceptModel: 'quant', ...presetOf(quantInfo, 'quant', 'balanced') }
  expect(continueOptions(quantInfo, dials)).toEqual({
    conceptModel: 'quant',
    concepts: 5,
    seed: 1,
    guidance: 1.5,
    temperature: 0.14,
    beam: 4,
  })
  expect(matchingPreset(quantInfo, { ...dials, steps: 77, initialNoiseScale: 2 })).toBe('balanced')
})

test('a summary takes the dials but the number of sentences, the recall and the temperature', () => {
  const dials: Dials = { ...firstDials, ...presetOf(info, 'base-lcm', 'bold'), concepts: 9, recall: 2, to: 'spa_Latn', seed: 4 }
  expect(summaryOptions(info, { ...dials, conceptModel: 'base-lcm' })).toEqual({
    conceptModel: 'base-lcm',
    seed: 4,
    beam: 5,
    to: 'spa_Latn',
  })
  expect(summaryOptions(info, { ...dials, conceptModel: 'two-tower', steps: 12 })).toEqual({
    conceptModel: 'two-tower',
    seed: 4,
    beam: 5,
    to: 'spa_Latn',
    steps: 12,
    guidance: 1,
    initialNoiseScale: 1.25,
  })
})

test('a concept model summarises when its folder says after which sentence', () => {
  const { 'base-lcm': base, 'two-tower': twoTower } = info.conceptModels
  const able = { ...info, conceptModels: { able: { ...base!, summaryPrompt: 'In short.' }, 'two-tower': twoTower! } }
  expect(['able', 'two-tower', 'none'].map((name) => summarizes(able, name))).toEqual([true, false, false])
})

test('what is typed becomes the nearest number that the dial has', () => {
  expect(fitToDial('steps', 7.4)).toBe(7)
  expect(fitToDial('steps', 1e9)).toBe(100)
  expect(fitToDial('steps', Number.NaN)).toBe(1)
  expect(fitToDial('guidance', -2)).toBe(0)
  expect(fitToDial('guidance', 1.26)).toBe(1.3)
  expect(fitToDial('initialNoiseScale', 0.62)).toBe(0.6)
})

test('the language of the text is left to the document unless another is chosen', () => {
  const dials = { ...firstDials, conceptModel: 'two-tower' }
  expect(continueOptions(info, dials)).toEqual({
    conceptModel: 'two-tower',
    concepts: 5,
    seed: 1,
    steps: 10,
    guidance: 1,
    initialNoiseScale: 1,
    beam: 5,
    trajectory: true,
  })
  expect(continueOptions(info, { ...dials, recall: 3 }).recall).toBe(3)
  expect(continueOptions(info, { ...dials, to: 'deu_Latn' }).to).toBe('deu_Latn')
})
