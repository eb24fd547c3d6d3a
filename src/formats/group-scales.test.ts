import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ModelFormatError } from '../errors'
import { toFloat32 } from './float16'
import { expandGroups } from './group-scales'
import { type Dtype, parseSafetensors, type StoredTensor } from './safetensors'
import cases from './stored-weights.json'

const scalesOf = (shape: number[], values: number[]): StoredTensor => ({
  name: 'w.group_scales',
  dtype: 'F32',
  shape,
  bytes: new Uint8Array(Float32Array.from(values).buffer),
})

// Written by training/tests/make_stored_weights.py.
test.each(cases)('a file of convert_lcm.py in $dtype gives the numbers that Python expands it to', ({ file, values }) => {
  const tensors = parseSafetensors(Uint8Array.from(atob(file), (character) => character.charCodeAt(0)))
  for (const [name, expected] of Object.entries(values)) expect([...toFloat32(tensors.get(name))]).toEqual(expected)
})

describe('expandGroups', () => {
  test('int8: each integer times the scale of its group', () => {
    const stored: StoredTensor = { name: 'w', dtype: 'I8', shape: [2, 4], bytes: Uint8Array.from([1, 255, 127, 129, 0, 2, 3, 4]) }
    const matrix = expandGroups(stored, scalesOf([2, 2], [0.5, 2, 1, 0.25]))
    expect(matrix).toMatchObject({ name: 'w', dtype: 'F16', shape: [2, 4] })
    expect([...toFloat32(matrix)]).toEqual([0.5, -0.5, 254, -254, 0, 2, 0.75, 1])
  })

  test('int4: two integers a byte, the even column in the low half', () => {
    const stored: StoredTensor = { name: 'w', dtype: 'U8', shape: [1, 2], bytes: Uint8Array.from([0x1f, 0x80]) }
    expect([...toFloat32(expandGroups(stored, scalesOf([1, 1], [2])))]).toEqual([14, -14, -16, 0])
  })

  test('whatever the types and shapes: a matrix of finite size or a ModelFormatError', () => {
    const shape = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 })
    const dtype = fc.constantFrom<Dtype>('I8', 'U8', 'F16', 'F32', 'BOOL', 'I64')
    const sizes: Record<string, number> = { F16: 2, F32: 4, I64: 8 }
    const tensor = fc.tuple(dtype, shape).chain(([dtype, shape]) => {
      const length = shape.reduce((product, size) => product * size, sizes[dtype] ?? 1)
      return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => ({ name: 'w', dtype, shape, bytes }))
    })
    fc.assert(
      fc.property(tensor, tensor, (stored, scales) => {
        try {
          const { shape, bytes } = expandGroups(stored, scales)
          expect(bytes.length).toBe(2 * shape[0]! * shape[1]!)
        } catch (error) {
          expect(error).toBeInstanceOf(ModelFormatError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('a file with a matrix in int8 gives it as F16 under its name', () => {
    const header = JSON.stringify({
      'w.group_scales': { dtype: 'F32', shape: [1, 1], data_offsets: [0, 4] },
      w: { dtype: 'I8', shape: [1, 2], data_offsets: [4, 6] },
    })
    const bytes = new Uint8Array(8 + header.length + 6)
    new DataView(bytes.buffer).setUint32(0, header.length, true)
    bytes.set(new TextEncoder().encode(header), 8)
    new DataView(bytes.buffer).setFloat32(8 + header.length, 0.5, true)
    bytes.set([3, 254], 12 + header.length)
    expect([...toFloat32(parseSafetensors(bytes).get('w'))]).toEqual([1.5, -1])
  })
})
