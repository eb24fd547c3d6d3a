import type { StorageInfo } from '../engine/protocol'

const askedKey = 'noema-asked-to-persist'

/**
 * Asks the browser, once and for good, not to remove a stored model when it runs out of room, and notes in `info` whether it has promised that.
 * Does not wait for the answer: some browsers ask their user.
 */
export async function askToPersist(info: StorageInfo): Promise<void> {
  if (!info.stored) return
  try {
    info.persistent = await navigator.storage.persisted()
    if (info.persistent || localStorage.getItem(askedKey)) return
    localStorage.setItem(askedKey, 'yes')
    navigator.storage.persist().then(
      (isPersistent) => {
        info.persistent = isPersistent
      },
      () => undefined,
    )
  } catch {
    // This browser promises nothing, or does not let the page remember that it has asked.
  }
}

/** Forgets that the browser was asked. */
export function forgetAsking(): void {
  try {
    localStorage.removeItem(askedKey)
  } catch {
    // Nothing is kept where nothing can be removed.
  }
}
