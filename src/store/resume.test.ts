import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Aborted, DownloadFailed, ModelIntegrityError } from '../errors'
import type { Progress } from '../progress'
import { loadModelFiles } from './model-files'
import { chunkBytes } from './stored-file'
import { content, FakeServer, MemoryStorage, streamed } from './testing'

const path = '/models/test'
const file = content(1, 2.5 * chunkBytes)
const cut = 1.2 * chunkBytes

let server: FakeServer
let storage: MemoryStorage

beforeEach(async () => {
  server = new FakeServer()
  storage = new MemoryStorage()
  vi.stubGlobal('fetch', server.fetch)
  await server.model(path, '1', { 'a.onnx': file })
})

afterEach(() => {
  vi.unstubAllGlobals()
})

const load = (options = {}) => loadModelFiles(`https://example.org${path}`, { storage, ...options })
const chunks = () => [...storage.values.keys()].filter((key) => key.startsWith('chunk:')).length
/** In one go: comparing millions of elements one by one takes minutes. */
const isSame = (found: Uint8Array | undefined) => Buffer.compare(found ?? new Uint8Array(), file) === 0
const etag = { headers: { etag: '"one"' } }

/** Answers with the rest of the file that is asked for, as a server with ranges does. */
function rest(range: string | null, headers: Record<string, string> = {}, bytes = file): Response {
  const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1])
  const contentRange = `bytes ${start}-${bytes.length - 1}/${bytes.length}`
  return new Response(bytes.slice(start), { status: 206, headers: { 'content-range': contentRange, etag: '"one"', ...headers } })
}

/** A first load whose connection breaks, the answers of the server afterwards, and what they were asked for. */
async function goOn(answer: (range: string | null) => Response, first = etag): Promise<(string | null)[]> {
  server.answer(`${path}/a.onnx`, () => streamed([file.subarray(0, cut)], 'break', first))
  await expect(load()).rejects.toThrow(DownloadFailed)
  expect(chunks()).toBe(1)
  server.ranges.length = 0
  server.answer(`${path}/a.onnx`, answer)
  const { contents, stored } = await load()
  expect(isSame(contents.get('a.onnx'))).toBe(true)
  expect(stored).toBe(true)
  const asked = server.ranges.slice(1)
  await load()
  expect(server.ranges.length).toBe(asked.length + 2)
  return asked
}

const range = `bytes=${chunkBytes}-`

test('a download that was cut off goes on after the last whole chunk', async () => {
  expect(await goOn((asked) => rest(asked))).toEqual([range])
})

test('the same file with a weak tag, or from a server that shows no headers, goes on', async () => {
  expect(await goOn((asked) => rest(asked, { etag: 'W/"one"' }))).toEqual([range])
  await storage.delete([...storage.values.keys()])
  expect(await goOn((asked) => new Response(rest(asked).body, { status: 206 }), { headers: {} as typeof etag.headers })).toEqual([range])
})

test.each<[string, (asked: string | null) => Response]>([
  ['with another tag', (asked) => rest(asked, { etag: '"two"' })],
  ['of another range', () => rest('bytes=7-')],
  ['of another length', (asked) => rest(asked, { 'content-range': `bytes ${chunkBytes}-${file.length}/${file.length + 1}` })],
  ['that the range cannot be met', () => new Response('', { status: 416 })],
])('an answer %s starts the file again', async (_, answer) => {
  expect(await goOn((asked) => (asked ? answer(asked) : new Response(file)))).toEqual([range, null])
})

test('a server without ranges starts the file again in the same answer', async () => {
  expect(await goOn(() => new Response(file))).toEqual([range])
})

test('bytes that do not fit together are fetched once more from the beginning', async () => {
  const other = content(9, file.length)
  expect(await goOn((asked) => (asked ? rest(asked, {}, other) : new Response(file)))).toEqual([range, null])
})

test('a file that is wrong from its beginning too stops the load and leaves nothing', async () => {
  server.answer(`${path}/a.onnx`, () => streamed([file.subarray(0, cut)], 'break', etag))
  await expect(load()).rejects.toThrow(DownloadFailed)
  const other = content(9, file.length)
  server.answer(`${path}/a.onnx`, (asked) => (asked ? rest(asked, {}, other) : new Response(other)))
  await expect(load()).rejects.toThrow(ModelIntegrityError)
  expect(chunks()).toBe(0)
})

test('an aborted download goes on with what it has, and progress counts it', async () => {
  const controller = new AbortController()
  server.answer(`${path}/a.onnx`, () => streamed([file.subarray(0, cut), file.subarray(cut, 1.9 * chunkBytes)], 'hang', etag))
  const aborted = fetch
  vi.stubGlobal('fetch', async (url: URL, options: RequestInit) => {
    const response = await aborted(url, options)
    if (!String(url).endsWith('a.onnx')) return response
    const body = response.body!.pipeThrough(new TransformStream(), { signal: options.signal! })
    return new Response(body, response)
  })
  const onProgress = ({ loaded }: Progress) => {
    if (loaded > 1.5 * chunkBytes) controller.abort()
  }
  await expect(load({ signal: controller.signal, onProgress })).rejects.toThrow(Aborted)
  expect(chunks()).toBe(1)
  vi.stubGlobal('fetch', server.fetch)
  server.answer(`${path}/a.onnx`, (asked) => rest(asked))
  const seen: number[] = []
  await load({ onProgress: ({ loaded }: Progress) => seen.push(loaded) })
  expect(seen[0]).toBe(chunkBytes)
  expect(server.ranges.at(-1)).toBe(range)
})

test('a stored chunk with a flipped bit is noticed and the file fetched again', async () => {
  server.answer(`${path}/a.onnx`, () => new Response(file))
  await load()
  const [key] = [...storage.values.keys()].filter((key) => key.endsWith(':1'))
  const chunk = storage.values.get(key!) as Uint8Array
  chunk[12345]! ^= 1
  server.ranges.length = 0
  expect(isSame((await load()).contents.get('a.onnx'))).toBe(true)
  expect(server.ranges).toEqual([null, null])
})

test('of a file whose end is gone only the end is fetched', async () => {
  server.answer(`${path}/a.onnx`, () => new Response(file, etag))
  await load()
  for (const key of storage.values.keys()) if (key.endsWith(':2')) storage.values.delete(key)
  server.ranges.length = 0
  server.answer(`${path}/a.onnx`, (asked) => rest(asked))
  expect(isSame((await load()).contents.get('a.onnx'))).toBe(true)
  expect(server.ranges).toEqual([null, `bytes=${2 * chunkBytes}-`])
  expect(chunks()).toBe(3)
})

test('when the disk fills up in the middle of a file, the file goes and the load ends well', async () => {
  server.answer(`${path}/a.onnx`, () => new Response(file))
  storage.room = 1.5 * chunkBytes
  const { contents, stored, warning } = await load()
  expect(isSame(contents.get('a.onnx'))).toBe(true)
  expect(stored).toBe(false)
  expect(warning?.details).toEqual({ needed: file.length, available: null })
  expect(chunks()).toBe(0)
})
