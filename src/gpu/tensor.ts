import { InvalidInput, KernelError } from '../errors'

/** `f16` holds two IEEE half floats a 32-bit word; kernels read the words as u32 and expand them with `unpack2x16float`. */
export type TensorType = 'f32' | 'f16' | 'u32'

export interface TensorOptions {
  /** Default `f32`. */
  type?: TensorType
  /** Initial contents, exactly the tensor's bytes in little-endian order; zeros when absent. */
  data?: ArrayBufferView
}

/** A GPU buffer with a shape, row-major: the last axis is contiguous. */
export interface Tensor {
  readonly label: string
  readonly buffer: GPUBuffer
  readonly shape: readonly number[]
  readonly type: TensorType
  /** Number of elements. */
  readonly size: number
  /** Frees the memory now; a program that still binds the tensor can no longer be submitted. */
  destroy(): void
}

/** Elements `[elementOffset, elementOffset + count)` of a tensor. */
export interface TensorRange {
  tensor: Tensor
  elementOffset: number
  count: number
}

const bytesPerElement: Record<TensorType, number> = { f32: 4, f16: 2, u32: 4 }

/**
 * Allocates a tensor. The buffer is padded to a multiple of 16 bytes, so that every kernel may bind it as an array of vec4.
 *
 * @throws InvalidInput when the shape is not made of positive integers.
 * @throws KernelError when one binding of this device cannot hold it.
 */
export function createTensor(device: GPUDevice, label: string, shape: readonly number[], type: TensorType): Tensor {
  if (shape.length === 0 || shape.some((length) => !Number.isSafeInteger(length) || length < 1)) {
    throw new InvalidInput(`Tensor ${label} has shape [${shape.join(', ')}]; every length must be a positive integer.`, { label })
  }
  const size = shape.reduce((product, length) => product * length, 1)
  const bytes = roundUp(size * bytesPerElement[type], 16)
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize)
  if (bytes > limit) {
    throw new KernelError(`Tensor ${label} needs ${bytes} bytes, but one binding of this device holds at most ${limit}: split it.`, {
      label,
      bytes,
      limit,
    })
  }
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST
  const buffer = device.createBuffer({ label, size: bytes, usage })
  return { label, buffer, shape: [...shape], type, size, destroy: () => buffer.destroy() }
}

/** Bytes of the elements, without the padding. */
export function byteLength({ size, type }: Tensor): number {
  return size * bytesPerElement[type]
}

/** Where `count` elements from `elementOffset` lie in the tensor's buffer, widened to the 4-byte steps that WebGPU copies in. */
export interface ByteRange {
  /** Byte offset of the first element, rounded down to a multiple of 4. */
  start: number
  /** Bytes from `start` to the end of the last element, rounded up to a multiple of 4. */
  length: number
  /** Bytes of `start` that precede the first element: 0, or 2 for an odd offset in an f16 tensor. */
  lead: number
}

/** @throws InvalidInput when the elements are not all inside the tensor. */
export function byteRange(tensor: Tensor, elementOffset: number, count: number): ByteRange {
  const inside = Number.isSafeInteger(elementOffset) && Number.isSafeInteger(count) && elementOffset >= 0 && count >= 0
  if (!inside || elementOffset + count > tensor.size) {
    throw new InvalidInput(
      `Elements ${elementOffset} to ${elementOffset + count} are not inside tensor ${tensor.label}, which has ${tensor.size}.`,
      { label: tensor.label, size: tensor.size },
    )
  }
  const width = bytesPerElement[tensor.type]
  const lead = (elementOffset * width) % 4
  const start = elementOffset * width - lead
  return { start, length: roundUp(lead + count * width, 4), lead }
}

/**
 * Queues the upload of `data` into `tensor` from element `elementOffset` on.
 *
 * @throws InvalidInput when the data do not fit, are not whole elements, or start in the middle of a 32-bit word (f16 at an odd element).
 */
export function writeTensor(device: GPUDevice, tensor: Tensor, data: ArrayBufferView, elementOffset: number): void {
  const count = data.byteLength / bytesPerElement[tensor.type]
  const { start, lead } = byteRange(tensor, elementOffset, count)
  const ragged = data.byteLength % 4
  if (lead !== 0 || (ragged !== 0 && elementOffset + count !== tensor.size)) {
    throw new InvalidInput(`Data for f16 tensor ${tensor.label} must start and end at an even element.`, { label: tensor.label })
  }
  let bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)
  if (ragged !== 0) {
    const padded = new Uint8Array(roundUp(data.byteLength, 4))
    padded.set(bytes)
    bytes = padded
  }
  device.queue.writeBuffer(tensor.buffer, start, bytes)
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step
}
