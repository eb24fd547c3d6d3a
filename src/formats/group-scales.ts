import { ModelFormatError } from '../errors'
import { toFloat32, toHalf } from './float16'
import type { StoredTensor } from './safetensors'

/** What follows a matrix's name in the name of its scales. */
export const scalesSuffix = '.group_scales'

/**
 * A matrix of integers with a scale a group of columns, as `training/noema_training/stored_weights.py` writes it, as F16.
 * @param stored I8 [rows, columns], or U8 [rows, columns / 2]: two integers a byte, the even column in the low half, 8 added to both.
 * @param scales F32 or F16 [rows, groups]: each row has `groups` groups of columns / groups columns.
 * @throws ModelFormatError when types or shapes are others.
 */
export function expandGroups(stored: StoredTensor, scales: StoredTensor): StoredTensor {
  const { name, dtype, bytes } = stored
  const fail = (what: string) => new ModelFormatError(`Tensor "${name}" ${what}.`, { tensor: name })
  const [rows, width] = stored.shape
  const [scaleRows, groups] = scales.shape
  if (dtype !== 'I8' && dtype !== 'U8') throw fail(`has group scales and the dtype ${dtype}; it must be I8 or U8`)
  if (rows === undefined || width === undefined || stored.shape.length !== 2) throw fail('has group scales and is not a matrix')
  const columns = dtype === 'I8' ? width : 2 * width
  if (scales.shape.length !== 2 || scaleRows !== rows || !groups || columns % groups !== 0) {
    throw fail(`of ${rows} rows and ${columns} columns cannot have group scales of shape [${scales.shape}]`)
  }
  const factors = toFloat32(scales)
  const group = columns / groups
  const halves = new Uint16Array(rows * columns)
  for (let i = 0; i < halves.length; i++) halves[i] = toHalf(Math.fround(integerAt(bytes, i, dtype) * factors[Math.floor(i / group)]!))
  return { name, dtype: 'F16', shape: [rows, columns], bytes: new Uint8Array(halves.buffer) }
}

function integerAt(bytes: Uint8Array, index: number, dtype: 'I8' | 'U8'): number {
  if (dtype === 'I8') return (bytes[index]! << 24) >> 24
  const pair = bytes[index >> 1]!
  return (index % 2 === 0 ? pair & 15 : pair >> 4) - 8
}
