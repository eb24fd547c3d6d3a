import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Aborted, DownloadFailed, ModelFormatError, ModelIntegrityError, QuotaExceeded, StorageUnavailable } from '../errors'
import type { Progress } from '../progress'
import { loadModelFiles } from './model-files'
import { content, FakeServer, MemoryStorage, streamed } from './testing'

const folder = 'https://example.org/models/test'
const path = '/models/test'
const first = { 'a.onnx': content(1, 5000), 'b/c.json': content(2, 300) }
const second = { 'a.onnx': content(1, 5000), 'b/c.json': content(3, 400) }

let server: FakeServer
let storage: MemoryStorage

beforeEach(async () => {
  server = new FakeServer()
  storage = new MemoryStorage()
  vi.stubGlobal('fetch', server.fetch)
  await server.model(path, '1', first)
})

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

const load = (options = {}) => loadModelFiles(folder, { storage, ...options })
const fileRequests = () => server.requests.filter((request) => !request.endsWith('manifest.json'))

describe('loadModelFiles', () => {
  test('downloads, verifies and stores every file, then takes them from the store', async () => {
    const one = await load()
    expect(one.manifest.version).toBe('1')
    expect(one.warning).toBeNull()
    expect(one.stored).toBe(true)
    expect(one.fingerprint).toMatch(/^[0-9a-f]{64}$/)
    expect(Object.fromEntries(one.contents)).toEqual(first)
    expect(fileRequests()).toEqual([`${path}/a.onnx`, `${path}/b/c.json`])
    const two = await load()
    expect(Object.fromEntries(two.contents)).toEqual(first)
    expect(two.fingerprint).toBe(one.fingerprint)
    expect(fileRequests().length).toBe(2)
  })

  test('progress knows the total from the start and never goes back', async () => {
    const seen: Progress[] = []
    await load({ onProgress: (progress: Progress) => seen.push(progress) })
    for (const stage of ['download', 'verify']) {
      const own = seen.filter((progress) => progress.stage === stage)
      expect(own.every(({ total }) => total === 5300)).toBe(true)
      expect(own.map(({ loaded }) => loaded)).toEqual(own.map(({ loaded }) => loaded).toSorted((a, b) => a - b))
      expect(own.at(-1)!.loaded).toBe(5300)
    }
  })

  test('works offline once everything is stored, and says so', async () => {
    await load()
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('offline')))
    const offline = await load()
    expect(Object.fromEntries(offline.contents)).toEqual(first)
    expect(offline.warning).toBeInstanceOf(DownloadFailed)
    expect(offline.warning?.message).toContain('stored version 1')
    expect(offline.stored).toBe(true)
  })

  test('waits only a while for a server that does not answer', async () => {
    await load()
    vi.spyOn(AbortSignal, 'timeout').mockReturnValue(AbortSignal.abort())
    vi.stubGlobal(
      'fetch',
      (_: URL, { signal }: RequestInit) => new Promise((_, reject) => (signal!.aborted ? reject(signal!.reason) : null)),
    )
    expect((await load()).warning?.message).toContain('stored version 1')
  })

  test.each<[string, () => Response, typeof ModelIntegrityError | typeof DownloadFailed]>([
    ['is missing', () => new Response('', { status: 404 }), DownloadFailed],
    [
      'is a web page',
      () => new Response('<!doctype html>', { headers: { 'content-type': 'text/html; charset=utf-8' } }),
      ModelIntegrityError,
    ],
    ['is too short', () => streamed([content(1, 4999)], 'close'), ModelIntegrityError],
    ['is too long', () => streamed([content(1, 5000), content(1, 1)], 'hang'), ModelIntegrityError],
    ['has other content', () => streamed([content(7, 5000)], 'close'), ModelIntegrityError],
    ['breaks off', () => streamed([content(1, 100)], 'break'), DownloadFailed],
    ['is empty', () => new Response(null), ModelIntegrityError],
  ])('a file that %s stops the load and is not stored', async (_, answer, expected) => {
    server.answer(`${path}/a.onnx`, answer)
    await expect(load()).rejects.toThrow(expected)
    expect([...storage.values.keys()].filter((key) => key.startsWith('model:'))).toEqual([])
    await server.model(path, '1', first)
    expect(Object.fromEntries((await load()).contents)).toEqual(first)
  })

  test('a manifest that is missing, a web page, not JSON or not a manifest stops the first load', async () => {
    server.answer(`${path}/manifest.json`, () => new Response('', { status: 404 }))
    await expect(load()).rejects.toThrow(DownloadFailed)
    server.answer(`${path}/manifest.json`, () => new Response('<html>', { headers: { 'content-type': 'text/html' } }))
    await expect(load()).rejects.toThrow(ModelIntegrityError)
    server.file(`${path}/manifest.json`, '{')
    await expect(load()).rejects.toThrow(ModelFormatError)
    server.file(`${path}/manifest.json`, '{}')
    await expect(load()).rejects.toThrow(ModelFormatError)
  })

  test('an abort acts before, during and between downloads', async () => {
    await expect(load({ signal: AbortSignal.abort() })).rejects.toThrow(Aborted)
    const controller = new AbortController()
    server.answer(`${path}/a.onnx`, () => {
      const body = new ReadableStream({
        start(stream) {
          stream.enqueue(content(1, 100))
          controller.signal.addEventListener('abort', () => stream.error(controller.signal.reason))
        },
      })
      return new Response(body)
    })
    const onProgress = ({ loaded }: Progress) => {
      if (loaded > 0) controller.abort()
    }
    await expect(load({ signal: controller.signal, onProgress })).rejects.toThrow(Aborted)
    expect([...storage.values.keys()].filter((key) => key.startsWith('chunk:'))).toEqual([])
  })

  test('a load that failed half-way keeps the files it has', async () => {
    server.answer(`${path}/b/c.json`, () => new Response('', { status: 503 }))
    await expect(load()).rejects.toThrow(DownloadFailed)
    await server.model(path, '1', first)
    await load()
    expect(fileRequests().filter((request) => request.endsWith('a.onnx')).length).toBe(1)
  })

  test.each<[string, (key: string) => unknown]>([
    ['is gone', (key) => storage.values.delete(key)],
    ['is short', (key) => storage.values.set(key, new Uint8Array(3))],
    ['is no bytes', (key) => storage.values.set(key, 'text')],
    ['has a flipped bit', (key) => ((storage.values.get(key) as Uint8Array)[299]! ^= 4)],
  ])('a stored file of which a chunk %s is downloaded again', async (_, damage) => {
    await load()
    damage([...storage.values.keys()].find((key) => key.startsWith('chunk:'))!)
    expect(Object.fromEntries((await load()).contents)).toEqual(first)
    expect(fileRequests().length).toBe(3)
    await load()
    expect(fileRequests().length).toBe(3)
  })

  test('an upgrade fetches only what changed and then removes what nothing needs', async () => {
    await load()
    const before = storage.values.size
    await server.model(path, '2', second)
    const upgraded = await load()
    expect(upgraded.manifest.version).toBe('2')
    expect(Object.fromEntries(upgraded.contents)).toEqual(second)
    expect(fileRequests().length).toBe(3)
    expect(storage.values.size).toBe(before)
  })

  test('while an upgrade fails the old version is used, online and offline', async () => {
    await load()
    await server.model(path, '2', second)
    server.answer(`${path}/b/c.json`, () => new Response('', { status: 500 }))
    const kept = await load()
    expect(Object.fromEntries(kept.contents)).toEqual(first)
    expect(kept.warning?.message).toMatch(/Version 2 .* stored version 1/)
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('offline')))
    expect(Object.fromEntries((await load()).contents)).toEqual(first)
  })

  test('files begun for a version that never became whole are removed with the next one', async () => {
    await server.model(path, '2', { ...second, 'd.bin': content(9, 50) })
    server.answer(`${path}/d.bin`, () => new Response('', { status: 500 }))
    await expect(load()).rejects.toThrow(DownloadFailed)
    await server.model(path, '3', first)
    await load()
    expect([...storage.values.keys()].filter((key) => key.startsWith('chunk:')).length).toBe(2)
    expect([...storage.values.keys()].filter((key) => key.startsWith('begun:'))).toEqual([])
  })

  test('a file that another folder needs stays', async () => {
    await load()
    await server.model('/models/other', '1', first)
    await loadModelFiles('https://example.org/models/other/', { storage })
    await server.model(path, '2', { 'x.bin': content(5, 10) })
    await load()
    const requests = fileRequests().length
    await loadModelFiles('https://example.org/models/other', { storage })
    expect(fileRequests().length).toBe(requests)
  })

  test('a full disk: works from memory, says so, leaves nothing half-written', async () => {
    storage.room = 4000
    const estimate = async () => ({ quota: 4000, usage: 3000 })
    vi.stubGlobal('navigator', { storage: { estimate } })
    const result = await load()
    expect(Object.fromEntries(result.contents)).toEqual(first)
    expect(result.stored).toBe(false)
    expect(result.warning).toBeInstanceOf(QuotaExceeded)
    expect(result.warning?.details).toEqual({ needed: 5300, available: 1000 })
    expect([...storage.values.keys()].filter((key) => key.startsWith('chunk:') || key.startsWith('model:'))).toEqual([])
  })

  test('an upgrade for which there is no room beside the old version takes its place', async () => {
    await load()
    storage.room = 5600
    await server.model(path, '2', { 'a.onnx': content(4, 5000), 'b/c.json': content(2, 300) })
    const upgraded = await load()
    expect(upgraded.warning).toBeNull()
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('offline')))
    expect((await load()).manifest.version).toBe('2')
  })

  test('a storage that refuses everything does not stop the load', async () => {
    storage.broken = new Error('denied')
    const result = await load()
    expect(Object.fromEntries(result.contents)).toEqual(first)
    expect(result.stored).toBe(false)
    expect(result.warning).toBeInstanceOf(StorageUnavailable)
  })

  test('stored values of the wrong form are ignored', async () => {
    await load()
    for (const key of storage.values.keys()) if (key.startsWith('model:')) storage.values.set(key, { manifestText: 5 })
    expect(Object.fromEntries((await load()).contents)).toEqual(first)
    for (const key of storage.values.keys()) if (key.startsWith('etag:') || key.startsWith('chunk:')) storage.values.set(key, 7)
    expect(Object.fromEntries((await load()).contents)).toEqual(first)
  })
})
