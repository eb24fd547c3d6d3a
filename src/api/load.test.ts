import { beforeEach, expect, test, vi } from 'vitest'
import { DownloadFailed } from '../errors'
import type { Progress } from '../progress'
import type { Connection } from './connection'
import { load } from './load'

/** Every function that was made callable from the worker, in order; the first is that of progress. */
let callbacks: ((news: Progress) => void)[] = []
let answer: () => Promise<unknown>
const close = vi.fn()

vi.mock('./connection', () => ({
  connect: async (): Promise<Connection> => ({
    call: () => answer() as Promise<never>,
    callback: (run) => {
      callbacks.push(run)
      return run
    },
    ended: new Promise(() => undefined),
    close,
  }),
}))

const news: Progress = { stage: 'verify', file: 'encoder.onnx', loaded: 1, total: 2 }

beforeEach(() => {
  callbacks = []
  close.mockClear()
})

test.each([
  ['failed', async () => Promise.reject(new DownloadFailed('The server has no such file.'))],
  ['succeeded', async () => ({ storage: { stored: false, persistent: false, warning: null } })],
])('news of progress that arrive after a load has %s are not told', async (_, result) => {
  const heard: Progress[] = []
  answer = async () => {
    callbacks[0]!(news)
    return result()
  }
  await load('mini', { onProgress: (progress) => heard.push(progress) }).catch((error) => expect(error).toBeInstanceOf(DownloadFailed))
  expect(heard).toEqual([news])
  callbacks[0]!(news)
  expect(heard).toEqual([news])
})

test('a load that fails ends its worker, one that succeeds keeps it', async () => {
  answer = () => Promise.reject(new DownloadFailed('The server has no such file.'))
  await expect(load()).rejects.toThrow(DownloadFailed)
  expect(close).toHaveBeenCalledTimes(1)
  answer = async () => ({ storage: { stored: false, persistent: false, warning: null } })
  await load()
  expect(close).toHaveBeenCalledTimes(1)
})
