import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Aborted, DownloadFailed } from '../errors'
import type { Progress } from '../progress'
import { isRest } from './download'
import { parseDownloadNews } from './download-news'
import { loadModelFiles } from './model-files'
import { content, FakeLocks, FakeServer, MemoryStorage } from './testing'

const path = '/models/test'
const file = content(1, 5000)

let server: FakeServer
let storage: MemoryStorage

beforeEach(async () => {
  server = new FakeServer()
  storage = new MemoryStorage()
  vi.stubGlobal('fetch', server.fetch)
  vi.stubGlobal('navigator', { locks: new FakeLocks() })
  await server.model(path, '1', { 'a.onnx': file })
})

afterEach(() => {
  vi.unstubAllGlobals()
})

const load = (options = {}) => loadModelFiles(`https://example.org${path}`, { storage, ...options })
const fileRequests = () => server.requests.filter((request) => request.endsWith('a.onnx')).length

/** Serves the file with a pause in its middle. */
function pausing(): { paused: Promise<void>; goOn: (error?: Error) => void } {
  let goOn: (error?: Error) => void = () => undefined
  let stop: () => void = () => undefined
  const paused = new Promise<void>((resolve) => {
    stop = resolve
  })
  server.answer(`${path}/a.onnx`, () => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(file.subarray(0, 3000))
        goOn = (error) => {
          if (error) return controller.error(error)
          controller.enqueue(file.subarray(3000))
          controller.close()
        }
        stop()
      },
    })
    return new Response(body)
  })
  return { paused, goOn: (error) => goOn(error) }
}

test('the second tab waits with the progress of the first and downloads nothing', async () => {
  const { paused, goOn } = pausing()
  const first = load()
  const seen: Progress[] = []
  const second = load({ onProgress: (progress: Progress) => seen.push(progress) })
  await paused
  await vi.waitFor(() => expect(seen).toContainEqual({ stage: 'download', file: 'a.onnx', loaded: 3000, total: 5000 }))
  goOn()
  for (const { contents } of await Promise.all([first, second])) expect(contents.get('a.onnx')).toEqual(file)
  expect(fileRequests()).toBe(1)
  const loaded = seen.filter(({ stage }) => stage === 'download').map((progress) => progress.loaded)
  expect(loaded).toEqual(loaded.toSorted((a, b) => a - b))
  expect(loaded.at(-1)).toBe(5000)
})

test('the second tab takes over from one that fails', async () => {
  const { paused, goOn } = pausing()
  const first = load()
  const second = load()
  await paused
  server.file(`${path}/a.onnx`, file)
  goOn(new TypeError('network error'))
  await expect(first).rejects.toThrow(DownloadFailed)
  expect((await second).contents.get('a.onnx')).toEqual(file)
  expect(fileRequests()).toBe(2)
})

test('a tab that waits can be aborted, and the one it waits for goes on', async () => {
  const { paused, goOn } = pausing()
  const first = load()
  const controller = new AbortController()
  const second = load({ signal: controller.signal })
  await paused
  controller.abort()
  await expect(second).rejects.toThrow(Aborted)
  goOn()
  expect((await first).stored).toBe(true)
})

test('an upgrade of one folder leaves another folder what both need, whoever is first', async () => {
  await server.model('/models/other', '1', { 'x.bin': content(2, 10) })
  const other = () => loadModelFiles('https://example.org/models/other', { storage })
  await other()
  await load()
  await server.model('/models/other', '2', { 'x.bin': file })
  await server.model(path, '2', { 'b.onnx': content(3, 20) })
  await Promise.all([other(), load()])
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('offline')))
  expect((await other()).contents.get('x.bin')).toEqual(file)
  expect((await load()).contents.get('b.onnx')).toEqual(content(3, 20))
})

test('whatever another tab sends, only the progress of the folder is taken', () => {
  const progress = { stage: 'download', file: 'a.onnx', loaded: 1, total: 2 }
  expect(parseDownloadNews({ folder: 'here', progress: { ...progress, more: 1 } }, 'here')).toEqual(progress)
  expect(parseDownloadNews({ folder: 'there', progress }, 'here')).toBeNull()
  fc.assert(
    fc.property(fc.anything(), fc.anything(), fc.anything(), (loaded, total, other) => {
      for (const message of [other, { folder: 'here', progress: other }, { folder: 'here', progress: { ...progress, loaded, total } }]) {
        const parsed = parseDownloadNews(message, 'here')
        if (!parsed) continue
        expect(parsed.loaded).toBeGreaterThanOrEqual(0)
        expect(parsed.total).toBeGreaterThanOrEqual(parsed.loaded)
      }
    }),
  )
})

test('only the rest of the file is taken for it', () => {
  for (const range of ['bytes 10-99/100', 'bytes 10-99/*']) expect(isRest(range, 10, 100)).toBe(true)
  for (const range of ['bytes 9-99/100', 'bytes 10-98/100', 'bytes 10-99/101', 'bytes */100', 'bytes 10-99', 'items 10-99/100', ' ']) {
    expect(isRest(range, 10, 100)).toBe(false)
  }
  fc.assert(fc.property(fc.string(), (range) => !isRest(range, 10, 100)))
})

test('whatever lies in the storage, the files are right at the end', async () => {
  await load()
  const keys = [...storage.values.keys()]
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...keys), fc.anything(), async (key, value) => {
      storage.values.set(key, value)
      expect((await load()).contents.get('a.onnx')).toEqual(file)
    }),
    { numRuns: 25 },
  )
})
