import { describe, expect, test } from 'vitest'
import { ModelFormatError } from '../errors'
import { halvesToFloats, toFloat32 } from './float16'
import type { Dtype } from './safetensors'

const stored = (dtype: Dtype, bytes: Uint8Array) => ({ name: 'w', dtype, shape: [], bytes })

/** The value of a binary16 pattern by its definition. */
function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >> 10) & 0x1f
  const fraction = (half & 0x3ff) / 1024
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15)
}

const allHalves = Uint16Array.from({ length: 65_536 }, (_, i) => i)

describe('toFloat32', () => {
  test('converts every half exactly', () => {
    const floats = halvesToFloats(allHalves)
    const wrong = allHalves.findIndex((half) => !Object.is(floats[half], halfValue(half)))
    expect(wrong).toBe(-1)
  })

  test('converts F16 through whichever path the platform takes', () => {
    const floats = toFloat32(stored('F16', new Uint8Array(allHalves.buffer)))
    expect(allHalves.findIndex((half) => !Object.is(floats[half], halfValue(half)))).toBe(-1)
  })

  test('converts BF16 and F64', () => {
    expect(Array.from(toFloat32(stored('BF16', new Uint8Array(Uint16Array.of(0x3f80, 0xc2f7, 0x0001).buffer))))).toEqual([
      1,
      -123.5,
      2 ** -133,
    ])
    expect(Array.from(toFloat32(stored('F64', new Uint8Array(Float64Array.of(0.1, -2).buffer))))).toEqual([Math.fround(0.1), -2])
  })

  test('views aligned F32 and copies what is not aligned', () => {
    const bytes = new Uint8Array(13)
    const floats = toFloat32(stored('F32', bytes.subarray(4, 12)))
    expect(floats.buffer).toBe(bytes.buffer)
    new DataView(bytes.buffer).setFloat32(5, 1.5, true)
    expect(Array.from(toFloat32(stored('F32', bytes.subarray(5, 9))))).toEqual([1.5])
  })

  test('refuses integers', () => {
    expect(() => toFloat32(stored('I8', new Uint8Array(1)))).toThrow(ModelFormatError)
  })
})
