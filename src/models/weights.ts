import { ModelFormatError } from '../errors'
import { toFloat32 } from '../formats/float16'
import { requireTensor, type StoredTensor, type TensorSource } from '../formats/safetensors'
import type { Gpu, Tensor } from '../gpu'
import type { Matrix } from '../ops'

/** y = W x + b: weight [out, in], bias [out]. */
export interface Projection {
  weight: Matrix
  bias: Tensor
}

/** A SwiGLU feed-forward layer, d → f → d. */
export interface FeedForward {
  gateWeight: Matrix
  gateBias: Tensor
  innerWeight: Matrix
  innerBias: Tensor
  projection: Projection
}

/**
 * Uploads the tensors of one model, checking each against the shape the architecture asks for.
 * Matrices stored in f16 stay f16 on a GPU; software adapters, which expand halves slowly, get f32. All else is f32.
 * A matrix larger than one binding of the GPU may be is uploaded in several tensors, some of its rows in each.
 * Every method throws `ModelFormatError` naming the tensor when it is missing or has another shape.
 */
export class ModelWeights {
  /** Types of the matrices uploaded so far. */
  readonly matrixTypes = new Set<'f32' | 'f16'>()
  readonly #gpu: Gpu
  readonly #source: TensorSource
  readonly #tensors: Tensor[] = []

  constructor(gpu: Gpu, source: TensorSource) {
    this.#gpu = gpu
    this.#source = source
  }

  /** `name`.weight [rows, columns] and `name`.bias [rows] */
  projection(name: string, rows: number, columns: number): Projection {
    return { weight: this.#projectionMatrix(`${name}.weight`, rows, columns), bias: this.vector(`${name}.bias`, rows) }
  }

  /** A matrix [rows, columns]. */
  matrix(name: string, rows: number, columns: number): Tensor {
    const stored = this.#stored(name, [rows, columns])
    const type = this.#matrixType(stored)
    return this.keep(this.#gpu.tensor(name, [rows, columns], { type, data: type === 'f16' ? stored.bytes : toFloat32(stored) }))
  }

  /** `name` [rows, Σ widths] as one matrix [rows, width] for each block of columns. */
  columnBlocks(name: string, rows: number, widths: readonly number[]): Matrix[] {
    const columns = widths.reduce((sum, width) => sum + width, 0)
    const stored = this.#stored(name, [rows, columns])
    const type = this.#matrixType(stored)
    const values = type === 'f16' ? halvesOf(stored) : toFloat32(stored)
    let start = 0
    return widths.map((width) => {
      const first = start
      start += width
      const block = values.slice(0, rows * width)
      for (let row = 0; row < rows; row++) {
        block.set(values.subarray(row * columns + first, row * columns + first + width), row * width)
      }
      return this.#upload(name, rows, width, type, block)
    })
  }

  /** gate_proj, inner_proj [inner, dim] and output_proj [dim, inner] under `name` */
  feedForward(name: string, dim: number, inner: number): FeedForward {
    const gate = this.projection(`${name}.gate_proj`, inner, dim)
    const values = this.projection(`${name}.inner_proj`, inner, dim)
    return {
      gateWeight: gate.weight,
      gateBias: gate.bias,
      innerWeight: values.weight,
      innerBias: values.bias,
      projection: this.projection(`${name}.output_proj`, dim, inner),
    }
  }

  vector(name: string, length: number): Tensor {
    return this.keep(this.#gpu.tensor(name, [length], { data: this.values(name, length) }))
  }

  /** A table [rows, width], always in f32. */
  table(name: string, rows: number, width: number): Tensor {
    return this.keep(this.#gpu.tensor(name, [rows, width], { data: toFloat32(this.#stored(name, [rows, width])) }))
  }

  /** A vector or a table that is needed on the CPU. */
  values(name: string, ...shape: number[]): Float32Array {
    return toFloat32(this.#stored(name, shape))
  }

  /** Frees a tensor with those of the model. */
  keep(tensor: Tensor): Tensor {
    this.#tensors.push(tensor)
    return tensor
  }

  /** Frees all of them. */
  destroy(): void {
    for (const tensor of this.#tensors.splice(0)) tensor.destroy()
  }

  #projectionMatrix(name: string, rows: number, columns: number): Matrix {
    const stored = this.#stored(name, [rows, columns])
    const type = this.#matrixType(stored)
    return this.#upload(name, rows, columns, type, type === 'f16' ? halvesOf(stored) : toFloat32(stored))
  }

  /** @param values [rows, columns]; halves as their bits */
  #upload(name: string, rows: number, columns: number, type: 'f32' | 'f16', values: Float32Array | Uint16Array): Matrix {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.#gpu.info.limits
    // Buffers are padded to multiples of 16 bytes.
    const largest = 16 * Math.floor(Math.min(maxStorageBufferBindingSize!, maxBufferSize!) / 16)
    const most = Math.max(1, Math.floor(largest / (columns * values.BYTES_PER_ELEMENT)))
    const tensors: Tensor[] = []
    for (let first = 0; first < rows; first += most) {
      const block = values.subarray(first * columns, Math.min(rows, first + most) * columns)
      tensors.push(this.keep(this.#gpu.tensor(name, [block.length / columns, columns], { type, data: block })))
    }
    return tensors.length === 1 ? tensors[0]! : tensors
  }

  #matrixType(stored: StoredTensor): 'f32' | 'f16' {
    const type = stored.dtype === 'F16' && !this.#gpu.info.software ? 'f16' : 'f32'
    this.matrixTypes.add(type)
    return type
  }

  #stored(name: string, shape: number[]): StoredTensor {
    return requireTensor(this.#source, name, shape)
  }
}

/** The bits of an F16 tensor, copied only when they are not aligned. */
function halvesOf({ bytes }: StoredTensor): Uint16Array {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice()
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2)
}

/** @throws ModelFormatError for sizes that no model has. */
export function requireSizes(architecture: { model_dim: number; heads: number }): void {
  for (const [name, size] of Object.entries(architecture)) {
    if (!Number.isInteger(size) || size < 1) throw new ModelFormatError(`${name} must be a positive whole number, not ${size}.`, { name })
  }
  const { model_dim: modelDim, heads } = architecture
  if (modelDim % (2 * heads) !== 0) {
    throw new ModelFormatError(`model_dim ${modelDim} does not make ${heads} heads of the same even size.`)
  }
}
