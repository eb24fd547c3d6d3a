import { sha256 } from '../formats/integrity'

/** What the index says of some consecutive rows of a document's state, which are stored as one value. */
export interface StateChunk {
  /** Position of the first row in the document. */
  start: number
  /** Numbers in a row. */
  rowWidth: number
  /** The links of the rows in the document's chain. */
  links: string[]
  /** SHA-256 of all that is above and of the rows. */
  checksum: string
  /** When a document last used it, in milliseconds since 1970: it says what goes first when room is needed, and nothing else. */
  used: number
}

/** Most rows of a chunk. */
export const mostRows = 64

const indexPrefix = 'index:'
const rowsPrefix = 'rows:'

/** First and last link name a chunk: the last one stands for the whole document up to there. */
function name({ links }: Pick<StateChunk, 'links'>): string {
  return `${links[0]}:${links.at(-1)}`
}

export function indexKey(chunk: Pick<StateChunk, 'links'>): string {
  return indexPrefix + name(chunk)
}

export function rowsKey(chunk: Pick<StateChunk, 'links'>): string {
  return rowsPrefix + name(chunk)
}

/** The first link of the chunk that an index key names, or null for another key. */
export function firstLinkOf(key: string): string | null {
  return key.startsWith(indexPrefix) ? key.slice(indexPrefix.length, key.indexOf(':', indexPrefix.length)) : null
}

/** The key of the index entry that rows under this key need, or null for another key. */
export function indexKeyOf(key: string): string | null {
  return key.startsWith(rowsPrefix) ? indexPrefix + key.slice(rowsPrefix.length) : null
}

export function byteLength({ links, rowWidth }: Pick<StateChunk, 'links' | 'rowWidth'>): number {
  return links.length * rowWidth * Float32Array.BYTES_PER_ELEMENT
}

/** The stored value as an entry of the index, or null when it is not one that belongs under this key. */
export function parseChunk(key: string, value: unknown): StateChunk | null {
  const { start, rowWidth, links, checksum, used } = (value ?? {}) as Partial<Record<keyof StateChunk, unknown>>
  if (!Array.isArray(links) || links.length < 1 || links.length > mostRows || !links.every(isHash)) return null
  if (!isCount(start) || !isCount(rowWidth) || rowWidth === 0 || !isHash(checksum) || !Number.isFinite(used)) return null
  return key === indexKey({ links }) ? { start, rowWidth, links, checksum, used: used as number } : null
}

/** The entry of rows that are about to be stored. */
export async function describeChunk(chunk: Omit<StateChunk, 'checksum'>, rows: Uint8Array): Promise<StateChunk> {
  return { ...chunk, checksum: await checksumOf(chunk, rows) }
}

/** Whether the stored value is the very rows that the entry was made of. */
export async function isWhole(chunk: StateChunk, rows: unknown): Promise<boolean> {
  if (!(rows instanceof Uint8Array) || rows.length !== byteLength(chunk)) return false
  return (await checksumOf(chunk, rows)) === chunk.checksum
}

function checksumOf({ start, rowWidth, links }: Pick<StateChunk, 'start' | 'rowWidth' | 'links'>, rows: Uint8Array): Promise<string> {
  const head = new TextEncoder().encode(JSON.stringify([start, rowWidth, links]))
  const bytes = new Uint8Array(head.length + rows.length)
  bytes.set(head)
  bytes.set(rows, head.length)
  return sha256(bytes)
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
