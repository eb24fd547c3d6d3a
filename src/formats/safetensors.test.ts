import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ModelFormatError } from '../errors'
import { parseSafetensors } from './safetensors'

/** A safetensors file of the given header (text, or JSON) and this many bytes of data 0, 1, 2, … */
function file(header: unknown, dataBytes: number, claimedHeaderBytes?: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + json.length + dataBytes)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(claimedHeaderBytes ?? json.length), true)
  bytes.set(json, 8)
  for (let i = 0; i < dataBytes; i++) bytes[8 + json.length + i] = i
  return bytes
}

const tensor = (dtype: string, shape: unknown, begin: number, end: number) => ({ dtype, shape, data_offsets: [begin, end] })

describe('parseSafetensors', () => {
  test('gives views of the file in any order of the header', () => {
    const bytes = file({ __metadata__: { format: 'pt' }, b: tensor('I8', [3], 8, 11), a: tensor('F16', [2, 2], 0, 8) }, 11)
    const tensors = parseSafetensors(bytes)
    expect(tensors.names().sort()).toEqual(['a', 'b'])
    expect(tensors.has('a')).toBe(true)
    expect(tensors.has('__metadata__')).toBe(false)
    expect(tensors.get('a')).toMatchObject({ name: 'a', dtype: 'F16', shape: [2, 2] })
    expect(Array.from(tensors.get('b').bytes)).toEqual([8, 9, 10])
    expect(tensors.get('b').bytes.buffer).toBe(bytes.buffer)
    expect(() => tensors.get('c')).toThrow(ModelFormatError)
  })

  test('reads a file that is itself a view, scalars, empty tensors, and padding after the header', () => {
    const inner = file(`${JSON.stringify({ s: tensor('F32', [], 0, 4), e: tensor('F32', [0, 7], 4, 4) })}   `, 4)
    const outer = new Uint8Array(inner.length + 5)
    outer.set(inner, 5)
    const tensors = parseSafetensors(outer.subarray(5))
    expect(tensors.get('s').bytes.length).toBe(4)
    expect(tensors.get('e').bytes.length).toBe(0)
  })

  test('takes names that objects have built in', () => {
    const tensors = parseSafetensors(
      file(
        '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"constructor":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
        2,
      ),
    )
    expect(tensors.names().sort()).toEqual(['__proto__', 'constructor'])
    expect(tensors.has('toString')).toBe(false)
  })

  test.each<[string, Uint8Array]>([
    ['an empty file', new Uint8Array(0)],
    ['a file shorter than its length field', new Uint8Array(7)],
    ['a header longer than the file', file({}, 0, 3)],
    ['a header length beyond 2^53', file({}, 0, 2 ** 62)],
    ['an empty header', file('', 0)],
    ['a header that is not JSON', file('{"a":', 0)],
    ['a header that is not UTF-8', Uint8Array.from([4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff, 0xff, 0x7d])],
    ['a header that does not start with a brace', file(' {}', 0)],
    ['a header that is a list', file([], 0)],
    ['a tensor that is not an object', file({ a: 1 }, 0)],
    ['an unknown dtype', file({ a: tensor('F128', [1], 0, 16) }, 16)],
    ['a dtype that is a property of every object', file({ a: tensor('toString', [1], 0, 1) }, 1)],
    ['a negative size', file({ a: tensor('U8', [-1, -1], 0, 1) }, 1)],
    ['a fractional size', file({ a: tensor('U8', [0.5, 2], 0, 1) }, 1)],
    ['a shape that is not a list', file({ a: tensor('U8', 1, 0, 1) }, 1)],
    ['a shape whose product overflows', file({ a: tensor('U8', [2 ** 32, 2 ** 32], 0, 0) }, 0)],
    ['a shape whose product overflows before a zero', file({ a: tensor('U8', [2 ** 32, 2 ** 32, 0], 0, 0) }, 0)],
    ['a size that does not fit the shape', file({ a: tensor('F32', [2], 0, 4) }, 4)],
    ['an end before the begin', file({ a: tensor('U8', [0], 1, 0) }, 1)],
    ['an end outside the data', file({ a: tensor('U8', [9], 0, 9) }, 8)],
    ['three offsets', file({ a: { dtype: 'U8', shape: [1], data_offsets: [0, 1, 1] } }, 1)],
    ['overlapping tensors', file({ a: tensor('U8', [2], 0, 2), b: tensor('U8', [2], 1, 3) }, 3)],
    ['two tensors over the same bytes', file({ a: tensor('U8', [2], 0, 2), b: tensor('U8', [2], 0, 2) }, 2)],
    ['a hole before the first tensor', file({ a: tensor('U8', [1], 1, 2) }, 2)],
    ['a hole between tensors', file({ a: tensor('U8', [1], 0, 1), b: tensor('U8', [1], 2, 3) }, 3)],
    ['bytes after the last tensor', file({ a: tensor('U8', [1], 0, 1) }, 2)],
    ['a name twice', file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1)],
    [
      'a name twice, once escaped',
      file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061" :{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
    ],
    ['a property twice', file('{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', 1)],
  ])('refuses %s', (_, bytes) => {
    expect(() => parseSafetensors(bytes)).toThrow(ModelFormatError)
  })

  test('reads in time linear in a hostile header', () => {
    const brackets = '['.repeat(5_000_000)
    const names = `{${Array.from({ length: 100_000 }, (_, i) => `"t${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`).join()}}`
    const start = performance.now()
    expect(() => parseSafetensors(file(`{"a":${brackets}`, 0))).toThrow(ModelFormatError)
    expect(parseSafetensors(file(names, 0)).names().length).toBe(100_000)
    expect(performance.now() - start).toBeLessThan(10_000)
  })

  test('random bytes and damaged files throw nothing but ModelFormatError', () => {
    const sound = file({ a: tensor('F16', [2, 2], 0, 8), b: tensor('I8', [3], 8, 11) }, 11)
    const damaged = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }).map((edits) => {
      const bytes = sound.slice()
      for (const [at, value] of edits) bytes[at] = value
      return bytes
    })
    const cut = fc.nat(sound.length - 1).map((length) => sound.slice(0, length))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), damaged, cut), (bytes) => {
        try {
          const tensors = parseSafetensors(bytes)
          for (const name of tensors.names()) expect(tensors.get(name).bytes.byteLength).toBeLessThanOrEqual(bytes.length)
        } catch (error) {
          expect(error).toBeInstanceOf(ModelFormatError)
        }
      }),
      { numRuns: 5000 },
    )
  })

  test('any well-formed file reads back as it was written', () => {
    const shapes = fc.dictionary(fc.string({ minLength: 1 }), fc.array(fc.nat(4), { maxLength: 3 }), { maxKeys: 6 })
    fc.assert(
      fc.property(shapes, (wanted) => {
        fc.pre(!Object.hasOwn(wanted, '__metadata__'))
        let position = 0
        const header = Object.entries(wanted).map(([name, shape]) => {
          const begin = position
          position += 2 * shape.reduce((product, length) => product * length, 1)
          return [name, tensor('BF16', shape, begin, position)]
        })
        const tensors = parseSafetensors(file(Object.fromEntries(header), position))
        expect(Object.fromEntries(tensors.names().map((name) => [name, tensors.get(name).shape]))).toEqual(wanted)
      }),
    )
  })
})
