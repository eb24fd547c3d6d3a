import { afterEach, expect, test, vi } from 'vitest'
import type { StorageInfo } from '../engine/protocol'
import { askToPersist } from './persistence'

afterEach(() => {
  vi.unstubAllGlobals()
})

/** A browser that gives this answer when it is asked. */
function browser(answer: boolean) {
  const storage = { persisted: vi.fn(async () => false), persist: vi.fn(async () => answer) }
  const remembered = new Map<string, string>()
  vi.stubGlobal('navigator', { storage })
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => remembered.get(key) ?? null,
    setItem: (key: string, value: string) => remembered.set(key, value),
  })
  return storage
}

const infoOf = (stored: boolean): StorageInfo => ({ stored, persistent: false, warning: null })

test('the browser is asked once, and what it says is told', async () => {
  const storage = browser(true)
  const info = infoOf(true)
  await askToPersist(info)
  await vi.waitFor(() => expect(info.persistent).toBe(true))
  await askToPersist(infoOf(true))
  expect(storage.persist).toHaveBeenCalledTimes(1)
})

test('a refusal is not questioned, and a promise is not asked for again', async () => {
  const storage = browser(false)
  for (const info of [infoOf(true), infoOf(true)]) {
    await askToPersist(info)
    expect(info.persistent).toBe(false)
  }
  expect(storage.persist).toHaveBeenCalledTimes(1)
  storage.persisted.mockResolvedValue(true)
  const info = infoOf(true)
  await askToPersist(info)
  expect(info.persistent).toBe(true)
  expect(storage.persist).toHaveBeenCalledTimes(1)
})

test('without a stored model nothing is asked, and a browser without an answer stops nothing', async () => {
  const storage = browser(true)
  await askToPersist(infoOf(false))
  expect(storage.persisted).not.toHaveBeenCalled()
  storage.persist.mockRejectedValue(new TypeError('no'))
  await askToPersist(infoOf(true))
  vi.stubGlobal('localStorage', undefined)
  await askToPersist(infoOf(true))
  vi.stubGlobal('navigator', {})
  const info = infoOf(true)
  await askToPersist(info)
  expect(info.persistent).toBe(false)
})
