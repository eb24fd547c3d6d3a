import { Aborted } from '../errors'

/** Rejects with Aborted as soon as the signal has fired. */
export function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(new Aborted('The call was aborted.'))
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}

/**
 * Waits until the page has heard what a callback told it. The callback of a call that is aborted is let go of, and what is on its way then is never
 * answered.
 *
 * @throws Aborted.
 */
export async function heard(told: void | Promise<void>, signal: AbortSignal): Promise<void> {
  await Promise.race([told, rejectWhenAborted(signal)])
}
