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
