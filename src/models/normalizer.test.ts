import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvalidInput, ModelFormatError } from '../errors'
import { loadNormalizer, Normalizer } from './normalizer'
import { RandomWeights } from './random-weights'

const center = Float32Array.of(1, -2, 0.5)
const scale = Float32Array.of(2, 0.5, 1)

test('normalises each dimension by its own center and scale', () => {
  const normalizer = new Normalizer(center, scale)
  const raw = Float32Array.of(3, -2, 0, 1, 0, 1.5)
  const normalized = Float32Array.of(1, 0, -0.5, 0, 4, 1)
  expect(normalizer.normalize(raw)).toEqual(normalized)
  expect(normalizer.denormalize(normalized)).toEqual(raw)
})

test('rounds to f32 after each operation, as the reference does', () => {
  const values = fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), { minLength: 3, maxLength: 3 })
  fc.assert(
    fc.property(values, (raw) => {
      const expected = raw.map((value, i) => Math.fround(Math.fround(value - center[i]!) / scale[i]!))
      expect([...new Normalizer(center, scale).normalize(Float32Array.from(raw))]).toEqual(expected)
    }),
  )
})

test('clips after normalising and before denormalising', () => {
  const clip = { minimum: Float32Array.of(-1, -1, -1), maximum: Float32Array.of(1, 1, 1) }
  const normalizer = new Normalizer(center, scale, clip)
  expect(normalizer.normalize(Float32Array.of(9, -9, 0.5))).toEqual(Float32Array.of(1, -1, 0))
  expect(normalizer.denormalize(Float32Array.of(9, -9, 0))).toEqual(Float32Array.of(3, -2.5, 0.5))
})

test('clips where the weights have the range to clip to', () => {
  const normalizerOf = (clip: [name: string, values: number[]][]) => {
    const weights = new RandomWeights(new Map())
    for (const [name, values] of [['center', [0]], ['scale', [1]], ...clip] as [string, number[]][]) {
      const bytes = new Uint8Array(Float32Array.from(values).buffer)
      weights.set({ name: `sonar_normalizer.${name}`, shape: [1], dtype: 'F32', bytes })
    }
    return loadNormalizer(weights, 'sonar_normalizer', 1)
  }
  const raw = Float32Array.of(5, -5)
  expect(normalizerOf([]).normalize(raw)).toEqual(raw)
  const clipped = normalizerOf([
    ['clip_min', [-2]],
    ['clip_max', [3]],
  ])
  expect(clipped.normalize(raw)).toEqual(Float32Array.of(3, -2))
  expect(() => normalizerOf([['clip_min', [-2]]])).toThrow(ModelFormatError)
})

test('refuses statistics and concepts that do not fit', () => {
  expect(() => new Normalizer(center, scale.subarray(1))).toThrow(ModelFormatError)
  expect(() => new Normalizer(center, Float32Array.of(1, 0, 1))).toThrow('scale is 0 at dimension 1')
  expect(() => new Normalizer(Float32Array.of(Number.NaN, 0, 0), scale)).toThrow(ModelFormatError)
  expect(() => new Normalizer(center, scale).normalize(new Float32Array(4))).toThrow(InvalidInput)
})
