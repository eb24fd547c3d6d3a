import { ModelFormatError } from '../errors'
import { expandGroups, scalesSuffix } from './group-scales'

/** Bytes of one element of each dtype this library can tell the size of. */
const elementBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const

export type Dtype = keyof typeof elementBytes

/** One tensor as it lies in the file: row-major, little-endian. `bytes` is a view and not a copy. */
export interface StoredTensor {
  name: string
  dtype: Dtype
  shape: number[]
  bytes: Uint8Array
}

/** What models are built from. `get` throws `ModelFormatError` when there is no such tensor. */
export interface TensorSource {
  get(name: string): StoredTensor
  has(name: string): boolean
}

/** A tensor of a source. @throws ModelFormatError when it is missing or has another shape. */
export function requireTensor(source: TensorSource, name: string, shape: readonly number[]): StoredTensor {
  if (!source.has(name)) throw new ModelFormatError(`The weights have no tensor "${name}" of shape [${shape}].`, { tensor: name })
  const stored = source.get(name)
  if (stored.shape.length !== shape.length || stored.shape.some((length, axis) => length !== shape[axis])) {
    throw new ModelFormatError(`Tensor "${name}" must have shape [${shape}] for this architecture, not [${stored.shape}].`, {
      tensor: name,
      expected: String(shape),
      found: String(stored.shape),
    })
  }
  return stored
}

/** The tensors of one safetensors file. `get` gives a matrix stored in int8 or int4 as F16, made anew each time. */
export class Safetensors implements TensorSource {
  readonly #tensors: ReadonlyMap<string, StoredTensor>

  constructor(tensors: ReadonlyMap<string, StoredTensor>) {
    this.#tensors = tensors
  }

  names(): string[] {
    return [...this.#tensors.keys()]
  }

  has(name: string): boolean {
    return this.#tensors.has(name)
  }

  get(name: string): StoredTensor {
    const tensor = this.#tensors.get(name)
    if (!tensor) throw new ModelFormatError(`The weights have no tensor "${name}".`, { tensor: name })
    const scales = this.#tensors.get(name + scalesSuffix)
    return scales ? expandGroups(tensor, scales) : tensor
  }
}

/** The format's own limit; it also bounds the time a hostile header can take. */
const maxHeaderBytes = 100_000_000

/**
 * Reads a safetensors file: 8 bytes of header length, a JSON header, then the tensors' bytes without holes.
 * Nothing is copied: the tensors are views of `bytes`.
 * @throws ModelFormatError for everything the format forbids: a header that is cut off, not JSON or has a name twice, an unknown
 * dtype, a size that does not match the shape, offsets outside the file, overlapping tensors and bytes that belong to no tensor.
 */
export function parseSafetensors(bytes: Uint8Array): Safetensors {
  const header = readHeader(bytes)
  const data = bytes.subarray(header.end)
  const located = Object.entries(header.json)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => locate(name, entry, data.length))
  checkContiguous(located, data.length)
  const tensors = new Map<string, StoredTensor>()
  for (const { name, dtype, shape, begin, end } of located) tensors.set(name, { name, dtype, shape, bytes: data.subarray(begin, end) })
  return new Safetensors(tensors)
}

function readHeader(bytes: Uint8Array): { json: Record<string, unknown>; end: number } {
  if (bytes.length < 8) throw new ModelFormatError('The safetensors file is shorter than its 8-byte length field.')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32
  if (length > maxHeaderBytes || length > bytes.length - 8) {
    throw new ModelFormatError(`The safetensors header claims ${length} bytes; the file has ${bytes.length - 8} after its length field.`)
  }
  const end = 8 + length
  let text: string
  let json: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, end))
    json = JSON.parse(text)
  } catch (cause) {
    throw new ModelFormatError('The safetensors header is not JSON in UTF-8.', {}, { cause })
  }
  if (!isObject(json) || !text.startsWith('{')) throw new ModelFormatError('The safetensors header is not a JSON object.')
  const duplicate = findDuplicateKey(text)
  if (duplicate !== undefined) throw new ModelFormatError(`The safetensors header has "${duplicate}" twice.`, { tensor: duplicate })
  return { json, end }
}

interface LocatedTensor {
  name: string
  dtype: Dtype
  shape: number[]
  begin: number
  end: number
}

function locate(name: string, entry: unknown, dataBytes: number): LocatedTensor {
  const fail = (what: string) => new ModelFormatError(`Tensor "${name}" ${what}.`, { tensor: name })
  if (!isObject(entry)) throw fail('is not described by an object')
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype)) throw fail(`has the unknown dtype ${JSON.stringify(dtype)}`)
  if (!isSizes(shape)) throw fail('has a shape that is not a list of sizes')
  if (!isSizes(offsets) || offsets.length !== 2) throw fail('has data_offsets that are not two offsets')
  const [begin, end] = offsets as [number, number]
  if (begin > end || end > dataBytes) throw fail(`lies at ${begin}–${end}, outside the ${dataBytes} bytes of data`)
  let size: number = elementBytes[dtype as Dtype]
  for (const length of shape) {
    size *= length
    if (!Number.isSafeInteger(size)) throw fail('has a shape too large to count')
  }
  if (size !== end - begin) throw fail(`needs ${size} bytes for its shape and has ${end - begin}`)
  return { name, dtype: dtype as Dtype, shape, begin, end }
}

function checkContiguous(tensors: LocatedTensor[], dataBytes: number): void {
  let position = 0
  for (const { name, begin, end } of tensors.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== position) {
      throw new ModelFormatError(`Tensor "${name}" starts at ${begin} and not at ${position}: tensors overlap or leave a hole.`, {
        tensor: name,
      })
    }
    position = end
  }
  if (position !== dataBytes) throw new ModelFormatError(`The last tensor ends at ${position}, but there are ${dataBytes} bytes of data.`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)
}

/**
 * A key that one object of valid JSON text has twice, which `JSON.parse` silently resolves to the last one. Linear in the text.
 */
function findDuplicateKey(text: string): string | undefined {
  const objects: (Set<string> | null)[] = []
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    if (character === '{') objects.push(new Set())
    else if (character === '[') objects.push(null)
    else if (character === '}' || character === ']') objects.pop()
    else if (character === '"') {
      const start = i
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++
      const keys = objects.at(-1)
      if (!keys || !isFollowedByColon(text, i + 1)) continue
      const key = JSON.parse(text.slice(start, i + 1)) as string
      if (keys.has(key)) return key
      keys.add(key)
    }
  }
  return undefined
}

function isFollowedByColon(text: string, from: number): boolean {
  let i = from
  while (text[i] === ' ' || text[i] === '\n' || text[i] === '\r' || text[i] === '\t') i++
  return text[i] === ':'
}
