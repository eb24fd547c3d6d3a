import { expect, test } from 'vitest'
import { ModelFormatError } from '../errors'
import { parseSafetensors } from '../formats/safetensors'
import { GraphBuilder } from './graph-builder'

/** A safetensors file of these tensors. */
function file(tensors: Record<string, { dtype: string; shape: number[]; bytes: number[] }>): Uint8Array {
  let end = 0
  const entries = Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
    const begin = end
    end += bytes.length
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const
  })
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)))
  const length = new Uint8Array(new BigUint64Array([BigInt(header.length)]).buffer)
  return Uint8Array.from([...length, ...header, ...Object.values(tensors).flatMap(({ bytes }) => bytes)])
}

test('weights are places in the safetensors file itself; what is stored in another way is expanded beside it', () => {
  const bytes = file({
    whole: { dtype: 'F32', shape: [1, 2], bytes: [0, 0, 0, 0, 0, 0, 128, 63] },
    half: { dtype: 'F16', shape: [2], bytes: [0, 60, 0, 0] },
    small: { dtype: 'I8', shape: [1, 2], bytes: [1, 255] },
    'small.group_scales': { dtype: 'F32', shape: [1, 1], bytes: [0, 0, 0, 63] },
  })
  const source = parseSafetensors(bytes)
  const graph = new GraphBuilder(source)
  for (const [name, shape] of [
    ['whole', [1, 2]],
    ['half', [2]],
    ['half', [2]],
    ['small', [1, 2]],
  ] as const) {
    expect(graph.weight(name, shape)).toBe(name)
  }
  const { file: model, externalData } = graph.build()
  expect([...externalData.keys()]).toEqual(['weights-0', 'weights-1'])
  expect(externalData.get('weights-0')!.buffer).toBe(bytes.buffer)
  expect([...new Uint16Array(externalData.get('weights-1')!.buffer)]).toEqual([0x3800, 0xb800])
  const text = new TextDecoder('latin1').decode(model)
  for (const name of ['whole', 'half'] as const) {
    const { byteOffset, byteLength } = source.get(name).bytes
    expect(text).toMatch(new RegExp(`weights-0[^]{0,8}offset.{0,2}${byteOffset}[^]{0,8}length.{0,2}${byteLength}`))
  }
  // A weight that is used twice is there once.
  expect(text.split('half.f16')).toHaveLength(3)
})

test('a tensor that is missing or of another shape is named', () => {
  const graph = new GraphBuilder(parseSafetensors(file({ a: { dtype: 'F32', shape: [1], bytes: [0, 0, 0, 0] } })))
  expect(() => graph.weight('b', [1])).toThrow(ModelFormatError)
  expect(() => graph.weight('a', [2])).toThrow('Tensor "a" must have shape [2]')
})
