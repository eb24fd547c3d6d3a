import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { halvesToFloats, toHalf } from '../formats/float16'
import { CaseField } from './conformance-field'
import { compare, exact, readTolerance } from './conformance-report'
import { fnv1a32, GeneratedWeights, parameter, stream } from './conformance-values'

const { meta } = JSON.parse(readFileSync('../shared/conformance/lcm.json', 'utf8'))

test('streams are those of the README', () => {
  for (const { stream: name, seed, first4 } of meta.prng_test_vectors) {
    expect(fnv1a32(name)).toBe(seed)
    expect([...stream(name, 4)]).toEqual(first4)
  }
})

test('parameters follow the rule table', () => {
  for (const { name, shape, first4 } of meta.parameter_test_vectors) {
    expect(parameter(name, shape).subarray(0, 4)).toEqual(Float32Array.from(first4))
  }
})

test('factors of the model apply to the full name, and half precision rounds', () => {
  const shapes = new Map([['a.bias', [3]]])
  const plain = parameter('P.a.bias', [3])
  const source = new GeneratedWeights(
    shapes,
    new CaseField(
      {
        prefix: 'P.',
        multiply: [
          ['P.a', -2],
          ['other', 8],
        ],
      },
      'model',
    ),
    false,
  )
  expect(new Float32Array(source.get('a.bias').bytes.buffer as ArrayBuffer)).toEqual(plain.map((value) => -2 * value))
  const half = new GeneratedWeights(shapes, new CaseField({ prefix: 'P.' }, 'model'), true).get('a.bias')
  expect(half.dtype).toBe('F16')
  halvesToFloats(new Uint16Array(half.bytes.buffer as ArrayBuffer)).forEach((value, i) => {
    expect(Math.abs(value - plain[i]!)).toBeLessThanOrEqual(Math.abs(plain[i]!) / 2048)
  })
})

test('every half float survives, and what lies between goes to the nearest, ties to even', () => {
  const bits = Uint16Array.from({ length: 0x7c01 }, (_, i) => i)
  const values = halvesToFloats(bits)
  bits.forEach((half, i) => {
    expect(toHalf(values[i]!)).toBe(half)
    expect(toHalf(-values[i]!)).toBe(half | 0x8000)
  })
  expect(toHalf(1 + 2 ** -11)).toBe(0x3c00)
  expect(toHalf(1 + 3 * 2 ** -11)).toBe(0x3c02)
  expect(toHalf(2 ** -25)).toBe(0)
  expect(toHalf(1e9)).toBe(0x7c00)
  expect(toHalf(Number.NaN)).toBe(0x7e00)
})

test('a tolerance is the case’s own, else the file’s, else the README’s', () => {
  const file = new CaseField({ meta }, '')
  expect(readTolerance(new CaseField({}, ''), file, 'f32')).toEqual({ relative: 2e-5 })
  expect(readTolerance(new CaseField({}, ''), file, 'f16')).toEqual({ relative: 5e-3 })
  expect(readTolerance(new CaseField({}, ''), new CaseField({}, ''), 'f16')).toEqual({ relative: 5e-3 })
  expect(readTolerance(new CaseField({ tolerance: 1e-3 }, ''), file, 'f32')).toEqual({ relative: 1e-3 })
  const own = new CaseField({ tolerance: { f16_weights: 'max|got - ref| <= 2e-2 * max|ref|' } }, '')
  expect(readTolerance(own, file, 'f16')).toEqual({ relative: 2e-2 })
  expect(readTolerance(own, file, 'f32')).toEqual({ relative: 2e-5 })
})

test('a comparison names the worst element, and numbers that are not finite fail', () => {
  const tolerance = { relative: 0.1 }
  const expected = [1, -4, 2]
  const close = compare('case', 'kind', [{ name: 'a', got: [1, -3.8, 2.1], expected, tolerance }])
  expect(close).toMatchObject({ status: 'passed', arrays: [{ worst: { index: 1, got: -3.8, expected: -4 } }] })
  expect(close.arrays[0]!.maxRelative).toBeCloseTo(0.05)
  expect(compare('case', 'kind', [{ name: 'a', got: [1, Number.NaN, 2], expected, tolerance }]).status).toBe('failed')
  expect(compare('case', 'kind', [{ name: 'a', got: [1, -4], expected, tolerance }]).status).toBe('failed')
  expect(compare('case', 'kind', [{ name: 'a', got: [1], expected: [2], tolerance: exact }]).status).toBe('failed')
})
