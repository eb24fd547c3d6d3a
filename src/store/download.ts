import { Aborted, DownloadFailed, ModelIntegrityError } from '../errors'
import type { StoredPart } from './stored-file'

/**
 * Fetches a whole small file.
 * @throws ModelIntegrityError for an HTML page; DownloadFailed; Aborted.
 */
export async function fetchBytes(url: URL, signal: AbortSignal | undefined): Promise<Uint8Array<ArrayBuffer>> {
  const response = requireFile(url, await request(url, signal))
  const bytes = await response.arrayBuffer().catch((cause): never => {
    throw failure(url, signal, cause)
  })
  return new Uint8Array(bytes)
}

export interface DownloadOptions {
  /** What is in `file` already. */
  part: StoredPart
  signal: AbortSignal | undefined
  /** Called before the first byte when the file comes from its beginning, with the answer's entity tag. */
  onBegin(etag: string | null): Promise<void>
  /** Called with the number of bytes that are in `file` so far; the next ones are read when it resolves. */
  onBytes(loaded: number): Promise<void>
}

/**
 * Fetches what is missing of a file, or all of it from a server that gives no ranges or has another file by now. Its hash is not checked here.
 *
 * @param file [bytes], filled from its beginning.
 * @returns whether the bytes that were there before are part of the file.
 * @throws ModelIntegrityError for an HTML page or another size; DownloadFailed; Aborted.
 */
export async function download(
  url: URL,
  name: string,
  file: Uint8Array,
  { part, signal, onBegin, onBytes }: DownloadOptions,
): Promise<boolean> {
  const { response, start } = await open(url, file.length, part, signal)
  const wrongSize = (what: string): ModelIntegrityError =>
    new ModelIntegrityError(`"${name}" ${what} ${file.length} bytes of the manifest. Reload to try again.`, { file: name, url: url.href })
  const reader = response.body?.getReader()
  let loaded = start
  try {
    if (start === 0) await onBegin(response.headers.get('etag'))
    while (reader) {
      const { done, value } = await reader.read().catch((cause): never => {
        throw failure(url, signal, cause)
      })
      if (done) break
      if (loaded + value.length > file.length) throw wrongSize('is longer than the')
      file.set(value, loaded)
      loaded += value.length
      await onBytes(loaded)
    }
  } catch (error) {
    await reader?.cancel().catch(() => {})
    throw error
  }
  if (loaded < file.length) throw wrongSize(`ends after ${loaded} of the`)
  return start > 0
}

/**
 * The answer that goes on from `part`, or one that begins at the beginning. Whether the server's file is still the one that `part` is from is
 * seen by the entity tag of its answer: `If-Range` would cost a server elsewhere a preflight request that it may refuse.
 */
async function open(
  url: URL,
  bytes: number,
  part: StoredPart,
  signal: AbortSignal | undefined,
): Promise<{ response: Response; start: number }> {
  if (part.length > 0) {
    const response = await request(url, signal, { Range: `bytes=${part.length}-` })
    if (response.status !== 206 && response.status !== 416) return { response: requireFile(url, response), start: 0 }
    if (response.status === 206 && goesOn(response.headers, bytes, part))
      return { response: requireFile(url, response), start: part.length }
    await response.body?.cancel().catch(() => {})
  }
  return { response: requireFile(url, await request(url, signal)), start: 0 }
}

/** Whether a partial answer is the rest of the file. A server elsewhere may not let its headers be read: then the file's hash has to tell. */
function goesOn(headers: Headers, bytes: number, part: StoredPart): boolean {
  const etag = headers.get('etag')
  if (etag !== null && part.etag !== null && strongTag(etag) !== strongTag(part.etag)) return false
  const range = headers.get('content-range')
  return range === null || isRest(range, part.length, bytes)
}

/** Whether a `Content-Range` (RFC 9110 §14.4) is that of the bytes from `start` to the end of a file of `bytes`. */
export function isRest(contentRange: string, start: number, bytes: number): boolean {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(contentRange) ?? []
  return Number(first) === start && Number(last) === bytes - 1 && (total === '*' || Number(total) === bytes)
}

/** Weak comparison (RFC 9110 §8.8.3.2): a server that compresses on the way marks the tag of the same file as weak. */
function strongTag(etag: string): string {
  return etag.replace(/^W\//, '')
}

/** `no-store`: the files have their own place in IndexedDB, and a stale copy in the HTTP cache would never match the manifest. */
async function request(url: URL, signal: AbortSignal | undefined, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { cache: 'no-store', headers, ...(signal && { signal }) }).catch((cause): never => {
    throw failure(url, signal, cause)
  })
}

/** @throws ModelIntegrityError for an HTML page; DownloadFailed for a status that is no success. */
function requireFile(url: URL, response: Response): Response {
  const isPage = /^text\/html/i.test(response.headers.get('content-type') ?? '')
  if (response.ok && !isPage) return response
  response.body?.cancel().catch(() => {})
  if (response.ok)
    throw new ModelIntegrityError(`${url.href} is answered with a web page. Check the address of the model folder.`, { url: url.href })
  throw new DownloadFailed(`${url.href} answers with status ${response.status}. Check the address of the model folder.`, {
    url: url.href,
    status: response.status,
  })
}

function failure(url: URL, signal: AbortSignal | undefined, cause: unknown): Aborted | DownloadFailed {
  if (signal?.aborted) return new Aborted('The call was aborted.', {}, { cause })
  return new DownloadFailed(`${url.href} could not be fetched. Check the connection and try again.`, { url: url.href }, { cause })
}
