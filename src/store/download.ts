import { Aborted, DownloadFailed, ModelIntegrityError } from '../errors'
import type { FileEntry } from '../formats/manifest'

/**
 * Fetches a whole small file.
 * @throws ModelIntegrityError for an HTML page; DownloadFailed; Aborted.
 */
export async function fetchBytes(url: URL, signal: AbortSignal | undefined): Promise<Uint8Array<ArrayBuffer>> {
  const response = await request(url, signal)
  const bytes = await response.arrayBuffer().catch((cause): never => {
    throw failure(url, signal, cause)
  })
  return new Uint8Array(bytes)
}

/**
 * Fetches a file of the known size piece by piece. Its hash is not checked here.
 * @param onBytes called with the number of bytes there are so far.
 * @throws ModelIntegrityError for an HTML page or another size; DownloadFailed; Aborted.
 */
export async function download(
  url: URL,
  name: string,
  { bytes }: FileEntry,
  signal: AbortSignal | undefined,
  onBytes: (loaded: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await request(url, signal)
  const wrongSize = (what: string): ModelIntegrityError =>
    new ModelIntegrityError(`"${name}" ${what} ${bytes} bytes of the manifest. Reload to try again.`, { file: name, url: url.href })
  const file = allocate(name, bytes)
  let loaded = 0
  const reader = response.body?.getReader()
  while (reader) {
    const { done, value } = await reader.read().catch((cause): never => {
      throw failure(url, signal, cause)
    })
    if (done) break
    if (loaded + value.length > bytes) {
      await reader.cancel().catch(() => {})
      throw wrongSize('is longer than the')
    }
    file.set(value, loaded)
    loaded += value.length
    onBytes(loaded)
  }
  if (loaded < bytes) throw wrongSize(`ends after ${loaded} of the`)
  return file
}

/** `no-store`: the files have their own place in IndexedDB, and a stale copy in the HTTP cache would never match the manifest. */
async function request(url: URL, signal: AbortSignal | undefined): Promise<Response> {
  const options: RequestInit = { cache: 'no-store', ...(signal && { signal }) }
  const response = await fetch(url, options).catch((cause): never => {
    throw failure(url, signal, cause)
  })
  const isPage = /^text\/html/i.test(response.headers.get('content-type') ?? '')
  if (response.ok && !isPage) return response
  await response.body?.cancel().catch(() => {})
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

function allocate(name: string, bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes)
  } catch (cause) {
    throw new DownloadFailed(`"${name}" has ${bytes} bytes, more than this browser can hold in memory.`, { file: name, bytes }, { cause })
  }
}
