import { InvalidInput } from '../errors'
import type { Tensor, TensorType } from '../gpu'

/** @throws InvalidInput unless `tensor` is a matrix of exactly `columns` columns and at least `rows` rows. */
export function requireMatrix(
  op: string,
  name: string,
  tensor: Tensor,
  rows: number,
  columns: number,
  types: readonly TensorType[] = ['f32'],
): void {
  requireType(op, name, tensor, types)
  const [height = 0, width] = tensor.shape
  if (tensor.shape.length !== 2 || width !== columns || height < rows) {
    throw new InvalidInput(`${op}: ${name} must have shape [${rows} or more, ${columns}], not ${describeTensor(tensor)}.`, { op, name })
  }
}

/** @throws InvalidInput unless `tensor` has exactly `length` elements. */
export function requireLength(op: string, name: string, tensor: Tensor, length: number, type: TensorType = 'f32'): void {
  requireType(op, name, tensor, [type])
  if (tensor.size !== length) {
    throw new InvalidInput(`${op}: ${name} must have ${length} elements, not ${describeTensor(tensor)}.`, { op, name })
  }
}

/** @throws InvalidInput unless `cursor` has at least `entries` entries. */
export function requireCursor(op: string, cursor: Tensor, entries = 1): void {
  requireType(op, 'cursor', cursor, ['u32'])
  if (cursor.size < 4 * entries) {
    throw new InvalidInput(`${op}: cursor must have ${4 * entries} elements or more, not ${describeTensor(cursor)}.`, {
      op,
      name: 'cursor',
    })
  }
}

/** @throws InvalidInput unless `value` is an integer in [minimum, maximum]. */
export function requireInteger(op: string, name: string, value: number, minimum: number, maximum = 2 ** 32 - 1): void {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new InvalidInput(`${op}: ${name} must be an integer from ${minimum} to ${maximum}, not ${value}.`, { op, name })
  }
}

/** Length of the tensor's last axis. */
export function width(tensor: Tensor): number {
  return tensor.shape.at(-1) as number
}

function requireType(op: string, name: string, tensor: Tensor, types: readonly TensorType[]): void {
  if (!types.includes(tensor.type)) {
    throw new InvalidInput(`${op}: ${name} must be ${types.join(' or ')}, not ${describeTensor(tensor)}.`, { op, name })
  }
}

function describeTensor({ label, type, shape }: Tensor): string {
  return `${label} [${shape.join(', ')}] of ${type}`
}
