import { expect, test } from 'vitest'
import { Aborted } from '../errors'
import { heard } from './heard'

const never = new Promise<void>(() => {})

test('what is heard ends the wait, and so does the abort of a call whose callback never answers', async () => {
  const controller = new AbortController()
  await heard(undefined, controller.signal)
  await heard(Promise.resolve(), controller.signal)
  const waiting = heard(never, controller.signal)
  controller.abort()
  await expect(waiting).rejects.toThrow(Aborted)
  await expect(heard(never, controller.signal)).rejects.toThrow(Aborted)
})

test('what the callback throws is thrown', async () => {
  await expect(heard(Promise.reject(new RangeError('no')), new AbortController().signal)).rejects.toThrow(RangeError)
})
