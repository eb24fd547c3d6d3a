import { Aborted } from '../errors'

/**
 * Runs a task while no other tab or worker of this origin runs one of the same name. A tab that ends or dies lets go. Where the browser has no
 * Web Locks the task runs at once.
 *
 * @throws Aborted when the signal fires before the task has begun; what the task throws.
 */
export async function exclusive<T>(name: string, signal: AbortSignal | undefined, task: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks
  if (!locks) return task()
  let hasBegun = false
  const begin = () => {
    hasBegun = true
    return task()
  }
  return locks.request(name, signal ? { signal } : {}, begin).catch((cause): never => {
    if (!hasBegun && signal?.aborted) throw new Aborted('The call was aborted.', {}, { cause })
    throw cause
  })
}

/** Takes a lock until this tab or worker ends. @returns whether it has it: some browsers and some pages have no locks. */
export function holdForLife(name: string): Promise<boolean> {
  return new Promise((answer) => {
    const hold = () => {
      answer(true)
      return new Promise<never>(() => {})
    }
    if (navigator.locks) navigator.locks.request(name, hold).catch(() => answer(false))
    else answer(false)
  })
}
