import { type NoemaError, QuotaExceeded, StorageUnavailable } from '../errors'

/**
 * What to throw for a write or a read that the browser's storage refused.
 * @param what is kept there, in the plural
 * @param consequence what a full storage means for them, a clause
 */
export async function storageFailure(cause: unknown, what: string, consequence: string): Promise<NoemaError> {
  if (!(cause instanceof Error && cause.name === 'QuotaExceededError')) {
    const message = `The browser does not let this page keep ${what}: allow storage, or leave the private window.`
    return new StorageUnavailable(message, {}, { cause })
  }
  const { usage = null, quota = null } = (await globalThis.navigator?.storage?.estimate().catch(() => undefined)) ?? {}
  return new QuotaExceeded(`The browser’s storage is full: ${consequence}. Make room and try again.`, { usage, quota }, { cause })
}
