import { ModelFormatError } from '../errors'
import type { StoredTensor } from './safetensors'

/**
 * A tensor's elements as f32. F16, BF16 and F32 are exact; F64 is rounded to nearest.
 * An aligned F32 tensor is returned as a view of the file, anything else as a new array.
 * @throws ModelFormatError for any other dtype.
 */
export function toFloat32({ name, dtype, bytes }: StoredTensor): Float32Array {
  switch (dtype) {
    case 'F32':
      return view(Float32Array, bytes)
    case 'F64':
      return Float32Array.from(view(Float64Array, bytes))
    case 'F16':
      return NativeFloat16Array ? new Float32Array(view(NativeFloat16Array, bytes)) : halvesToFloats(view(Uint16Array, bytes))
    case 'BF16':
      return fromBits(view(Uint16Array, bytes), (half) => half << 16)
    default:
      throw new ModelFormatError(`Tensor "${name}" has dtype ${dtype}; weights must be F16, BF16, F32 or F64.`, { tensor: name })
  }
}

/** IEEE 754 binary16 bit patterns as f32; every value, subnormals and NaN payloads included, is exact. */
export function halvesToFloats(halves: Uint16Array): Float32Array {
  return fromBits(halves, halfToFloatBits)
}

/** The nearest half float's bits, ties to even; beyond the largest, infinity. */
export function toHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const magnitude = Math.abs(value)
  if (Number.isNaN(value)) return 0x7e00
  if (magnitude >= 65520) return sign | 0x7c00
  const exponent = Math.max(Math.floor(Math.log2(magnitude)), -14)
  const exact = magnitude / 2 ** (exponent - 10)
  const below = Math.floor(exact)
  const up = exact - below > 0.5 || (exact - below === 0.5 && below % 2 === 1)
  return sign | (((exponent + 14) << 10) + below + Number(up))
}

function halfToFloatBits(half: number): number {
  const sign = (half & 0x8000) << 16
  const exponent = (half >> 10) & 0x1f
  const mantissa = half & 0x3ff
  if (exponent === 0x1f) return sign | 0x7f800000 | (mantissa << 13)
  if (exponent !== 0) return sign | ((exponent + 127 - 15) << 23) | (mantissa << 13)
  if (mantissa === 0) return sign
  // A subnormal is mantissa · 2⁻²⁴: shift its leading one up to the implicit place.
  const shift = Math.clz32(mantissa) - 21
  return sign | ((127 - 14 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13)
}

function fromBits(halves: Uint16Array, convert: (half: number) => number): Float32Array {
  const bits = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) bits[i] = convert(halves[i]!)
  return new Float32Array(bits.buffer)
}

interface Elements<T> {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T
  readonly BYTES_PER_ELEMENT: number
}

/** The bytes as elements, copied only when they are not aligned. */
function view<T>(Type: Elements<T>, bytes: Uint8Array): T {
  const aligned = bytes.byteOffset % Type.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice()
  return new Type(aligned.buffer, aligned.byteOffset, aligned.byteLength / Type.BYTES_PER_ELEMENT)
}

/** Several times faster than the conversion above, where the browser has it. */
const NativeFloat16Array = (globalThis as { Float16Array?: Elements<ArrayLike<number>> }).Float16Array
