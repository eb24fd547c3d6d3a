import type { StoredTensor, TensorSource } from '../formats/safetensors'
import { Random } from './random'
import type { Shapes } from './shapes'

/** Weights for tests and benchmarks, of a size that keeps activations near 1: the same for the same shapes and seed. */
export class RandomWeights implements TensorSource {
  readonly #tensors = new Map<string, StoredTensor>()

  constructor(shapes: Shapes, seed = 1) {
    let index = 0
    for (const [name, shape] of shapes) {
      const random = new Random(seed, index++)
      const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => value(name, shape, 2 * random.uniform() - 1))
      this.set({ name, shape, dtype: 'F32', bytes: new Uint8Array(values.buffer) })
    }
  }

  has(name: string): boolean {
    return this.#tensors.has(name)
  }

  get(name: string): StoredTensor {
    return this.#tensors.get(name)!
  }

  set(tensor: StoredTensor): void {
    this.#tensors.set(tensor.name, tensor)
  }

  delete(name: string): void {
    this.#tensors.delete(name)
  }

  /** All of them as a safetensors file. */
  file(): Uint8Array {
    const tensors = [...this.#tensors.values()]
    let end = 0
    const header = tensors.map(({ name, dtype, shape, bytes }) => {
      const begin = end
      end += bytes.length
      return [name, { dtype, shape, data_offsets: [begin, end] }]
    })
    const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)))
    const file = new Uint8Array(8 + json.length + end)
    new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true)
    file.set(json, 8)
    let offset = 8 + json.length
    for (const { bytes } of tensors) {
      file.set(bytes, offset)
      offset += bytes.length
    }
    return file
  }
}

function value(name: string, shape: number[], u: number): number {
  if (name.endsWith('.scale')) return 1 + 0.5 * u
  if (/norm\.weight$/.test(name)) return 1 + 0.1 * u
  return shape.length === 2 ? (1.7 * u) / Math.sqrt(shape[1]!) : 0.1 * u
}
