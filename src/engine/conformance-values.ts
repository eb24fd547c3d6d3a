import { InvalidInput, ModelFormatError } from '../errors'
import { toHalf } from '../formats/float16'
import type { StoredTensor, TensorSource } from '../formats/safetensors'
import type { CaseField } from './conformance-field'

/** Most numbers that one input may have. */
const maximumElements = 4_000_000

/** A stream's seed: FNV-1a over the UTF-8 bytes of its name. */
export function fnv1a32(name: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash
}

/** The first `count` numbers in [−1, 1) of the stream with this name: mulberry32, in f64. */
export function stream(name: string, count: number): Float64Array {
  let state = fnv1a32(name)
  return Float64Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (2 * ((mixed ^ (mixed >>> 14)) >>> 0)) / 4294967296 - 1
  })
}

/** amp · u in f32. */
export function scaledStream(name: string, count: number, amp: number): Float32Array {
  return Float32Array.from(stream(name, count), (u) => amp * u)
}

/** The rule table of the conformance README, §1. `name` is the full name, prefix included. */
export function parameter(name: string, shape: readonly number[]): Float32Array {
  const count = shape.reduce((product, length) => product * length, 1)
  return Float32Array.from(stream(name, count), rule(name, shape))
}

function rule(name: string, shape: readonly number[]): (u: number) => number {
  if (name.endsWith('scale')) return (u) => 1 + 0.5 * u
  if (name.endsWith('center')) return (u) => 0.05 * u
  if (name.includes('norm')) return (u) => 1 + 0.1 * u
  if (name.endsWith('bias')) return (u) => 0.1 * u
  if (shape.length === 2) return (u) => (1.5 * u) / Math.sqrt(shape[1]!)
  return (u) => u
}

/** An input `{ stream, shape, amp }` with its shape. */
export function readInput(field: CaseField): { shape: number[]; values: Float32Array } {
  field.only(['stream', 'shape', 'amp'])
  const shape = field.at('shape').integers(1, maximumElements)
  const count = shape.reduce((product, length) => product * length, 1)
  if (count > maximumElements) throw new InvalidInput(`${field.path} has ${count} numbers; at most ${maximumElements} are taken.`)
  return { shape, values: scaledStream(field.at('stream').text(), count, field.at('amp').number(-1e6, 1e6, 1)) }
}

/** The regenerated parameters of a case's model, with the shapes the architecture gives them. Made when they are asked for. */
export class GeneratedWeights implements TensorSource {
  readonly #shapes: ReadonlyMap<string, number[]>
  readonly #prefix: string
  readonly #factors: [substring: string, factor: number][]
  readonly #half: boolean

  /** @param half round every parameter to f16 and store it so */
  constructor(shapes: ReadonlyMap<string, number[]>, model: CaseField, half: boolean) {
    this.#shapes = shapes
    this.#prefix = model.at('prefix').text('')
    this.#factors = model.at('multiply').given ? model.at('multiply').list().map(readFactor) : []
    this.#half = half
  }

  has(name: string): boolean {
    return this.#shapes.has(name)
  }

  get(name: string): StoredTensor {
    const shape = this.#shapes.get(name)
    if (!shape) throw new ModelFormatError(`The model of this case has no tensor "${name}".`, { tensor: name })
    const fullName = this.#prefix + name
    const factor = this.#factors.reduce((product, [substring, factor]) => (fullName.includes(substring) ? product * factor : product), 1)
    const values = parameter(fullName, shape).map((value) => value * factor)
    const stored = { name, shape, dtype: 'F32', bytes: new Uint8Array(values.buffer) } as const
    return this.#half ? { ...stored, dtype: 'F16', bytes: new Uint8Array(Uint16Array.from(values, toHalf).buffer) } : stored
  }
}

function readFactor(field: CaseField): [string, number] {
  const [substring, factor] = field.list()
  if (!substring || !factor) throw field.wrong('must be a substring and a factor')
  return [substring.text(), factor.number(-1e6, 1e6)]
}
