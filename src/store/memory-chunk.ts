import { crc32 } from '../formats/crc32'

/** Where a remembered sentence comes from: a document opened by its name, or notes under a name. */
export interface MemorySource {
  kind: 'document' | 'notes'
  id: string
}

/** A sentence and its raw concept [dim]. */
export interface RememberedSentence {
  text: string
  /** FLORES-200 code of `text`. */
  language: string
  vector: Float32Array
}

/** Some consecutive sentences of a source, stored as one value. */
export interface MemoryChunk {
  key: string
  source: MemorySource
  /** Index in the source of the first sentence. */
  first: number
  sentences: { text: string; language: string }[]
  /** Raw concepts, [n, dim]. */
  vectors: Float32Array
  /** CRC-32 of the key, the sentences and the vectors. */
  checksum: number
}

/** Sentences in a full chunk. */
export const chunkSentences = 64

const headPrefix = 'head\n'
const rowsPrefix = 'rows\n'

/** Names a source in a space: `space`, a fingerprint, and `kind` have no line break, an id may. */
function name(space: string, { kind, id }: MemorySource): string {
  return `${space}\n${kind}\n${id}`
}

/** The entry that says how many sentences a source has. */
export function headKey(space: string, source: MemorySource): string {
  return headPrefix + name(space, source)
}

/** In the order of these keys chunks are searched and equals ranked: by kind, id and position. */
export function chunkKey(space: string, source: MemorySource, chunk: number): string {
  return `${rowsPrefix}${name(space, source)}\n${String(chunk).padStart(6, '0')}`
}

/** Space and source of a head's key, or null for another key. */
export function parseHeadKey(key: string): { space: string; source: MemorySource } | null {
  return key.startsWith(headPrefix) ? parseName(key.slice(headPrefix.length)) : null
}

/** Space, source and number of a chunk's key, or null for another key. */
export function parseChunkKey(key: string): { space: string; source: MemorySource; chunk: number } | null {
  const end = key.lastIndexOf('\n')
  const number = key.slice(end + 1)
  if (!key.startsWith(rowsPrefix) || !/^\d{6}$/.test(number)) return null
  const owner = parseName(key.slice(rowsPrefix.length, end))
  return owner && { ...owner, chunk: Number(number) }
}

function parseName(name: string): { space: string; source: MemorySource } | null {
  const [, space, kind, id] = /^([^\n]*)\n(document|notes)\n(.+)$/s.exec(name) ?? []
  return space === undefined || id === undefined ? null : { space, source: { kind: kind as MemorySource['kind'], id } }
}

export function makeChunk(
  space: string,
  source: MemorySource,
  chunk: number,
  rows: readonly RememberedSentence[],
  dim: number,
): MemoryChunk {
  const vectors = new Float32Array(rows.length * dim)
  for (const [i, { vector }] of rows.entries()) vectors.set(vector, i * dim)
  const key = chunkKey(space, source, chunk)
  const sentences = rows.map(({ text, language }) => ({ text, language }))
  return { key, source, first: chunk * chunkSentences, sentences, vectors, checksum: checksumOf(key, sentences, vectors) }
}

/** What is stored of a chunk; the rest is in its key. */
export function chunkValue({ sentences, vectors, checksum }: MemoryChunk): unknown {
  return { sentences, vectors, checksum }
}

/** The stored value as the chunk of this key, or null when it is not one that was stored under it, to the last bit. */
export function parseChunk(key: string, value: unknown, dim: number): MemoryChunk | null {
  const name = parseChunkKey(key)
  const { sentences, vectors, checksum } = (value ?? {}) as Partial<Record<keyof MemoryChunk, unknown>>
  if (!name || !Array.isArray(sentences) || sentences.length < 1 || sentences.length > chunkSentences) return null
  if (!sentences.every((sentence) => typeof sentence?.text === 'string' && typeof sentence.language === 'string')) return null
  if (!(vectors instanceof Float32Array) || vectors.length !== sentences.length * dim || !vectors.every(Number.isFinite)) return null
  if (checksum !== checksumOf(key, sentences, vectors)) return null
  return { key, source: name.source, first: name.chunk * chunkSentences, sentences, vectors, checksum: checksum as number }
}

/** The chunk's sentences with their vectors. */
export function rowsOf({ sentences, vectors }: MemoryChunk): RememberedSentence[] {
  const dim = vectors.length / sentences.length
  return sentences.map((sentence, i) => ({ ...sentence, vector: vectors.slice(i * dim, (i + 1) * dim) }))
}

function checksumOf(key: string, sentences: MemoryChunk['sentences'], { buffer, byteOffset, byteLength }: Float32Array): number {
  const texts = JSON.stringify([key, ...sentences.map(({ text, language }) => [text, language])])
  return crc32(new TextEncoder().encode(texts), new Uint8Array(buffer, byteOffset, byteLength))
}
