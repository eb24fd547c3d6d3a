import * as Comlink from 'comlink'
import { deserializeError, type SerializedError, serializeError } from '../errors'

/**
 * Replaces Comlink's handler for thrown values by one that keeps the error's class, code and details. Both sides of the worker
 * boundary must call it before the first message.
 */
export function keepTypedErrors(): void {
  const isThrown = Comlink.transferHandlers.get('throw')?.canHandle
  if (!isThrown) throw new Error('Comlink has no handler for thrown values.')
  Comlink.transferHandlers.set('throw', {
    canHandle: isThrown,
    serialize: (thrown) => [serializeError((thrown as { value: unknown }).value), []],
    deserialize: (serialized) => {
      throw deserializeError(serialized as SerializedError)
    },
  })
}

/** The array, to be moved and not copied across the worker boundary. */
export function transferred(array: Float32Array): Float32Array {
  return Comlink.transfer(array, [array.buffer as ArrayBuffer])
}
