import { InvalidInput } from '../errors'

/** A document as it is stored and exported. */
export interface Document {
  /** The name that its owner gave it, 1 to 200 characters. */
  title?: string
  sentences: Sentence[]
}

export interface Sentence {
  text: string
  /** FLORES-200 code of `text`. */
  language: string
  /** The raw concept of a sentence that the model wrote; `text` is its decoding, and encoding that would give another vector. */
  concept?: WrittenConcept
}

export interface WrittenConcept {
  /** Fingerprint of the space that the vector belongs to. */
  space: string
  /** [dim] of that space. */
  vector: Float32Array
}

const format = 'noema-document'
const mostSentences = 1_000_000
const longestText = 65_536
const largestDim = 65_536
const longestTitle = 200

/** The document as a JSON file. Vectors come back in the same bits, but for −0, which becomes 0. */
export function writeDocument({ title, sentences }: Document): string {
  const plain = sentences.map(({ concept, ...sentence }) =>
    concept ? { ...sentence, concept: { space: concept.space, vector: [...concept.vector] } } : sentence,
  )
  return JSON.stringify({ format, formatVersion: 1, title, sentences: plain })
}

/** @throws InvalidInput for anything that `writeDocument` would not have written. */
export function readDocument(file: string): Document {
  let json: unknown
  try {
    json = JSON.parse(file)
  } catch (cause) {
    throw new InvalidInput('The file is not a Noema document: it is not JSON.', {}, { cause })
  }
  const { format: found, formatVersion } = fields(json)
  if (found !== format) throw new InvalidInput('The file is not a Noema document.')
  if (formatVersion !== 1) throw new InvalidInput('The document was written by a newer version of Noema: update to read it.')
  return parseDocument(json)
}

/** Checks a document that was stored or parsed; vectors may be lists of numbers. @throws InvalidInput naming what is wrong. */
export function parseDocument(value: unknown): Document {
  const { title, sentences } = fields(value)
  if (title !== undefined && !isTitle(title)) throw wrong('title', `must be a text of 1 to ${longestTitle} characters`)
  if (!Array.isArray(sentences) || sentences.length > mostSentences) throw wrong('sentences', 'must be a list')
  const parsed = Array.from(sentences, (sentence, index) => parseSentence(sentence, `sentences[${index}]`))
  return title === undefined ? { sentences: parsed } : { title, sentences: parsed }
}

/** The title without the spaces around it; none for an empty one. @throws InvalidInput for one that is too long. */
export function parseTitle(text: string): string | undefined {
  const title = text.trim()
  if (title === '') return undefined
  if (!isTitle(title)) throw new InvalidInput(`A title has at most ${longestTitle} characters: shorten it.`)
  return title
}

function isTitle(value: unknown): value is string {
  return typeof value === 'string' && /\S/.test(value) && value.length <= longestTitle
}

function parseSentence(value: unknown, path: string): Sentence {
  const { text, language, concept } = fields(value)
  // A concept that the model made up may have no text.
  if (typeof text !== 'string' || (text === '' && concept === undefined) || text.length > longestText)
    throw wrong(`${path}.text`, 'must be a text')
  if (typeof language !== 'string' || !/^[a-z]{3}_[A-Z][a-z]{3}$/.test(language)) throw wrong(`${path}.language`, 'must be a language code')
  return concept === undefined ? { text, language } : { text, language, concept: parseConcept(concept, `${path}.concept`) }
}

function parseConcept(value: unknown, path: string): WrittenConcept {
  const { space, vector } = fields(value)
  if (typeof space !== 'string' || !/^[0-9a-f]{64}$/.test(space)) throw wrong(`${path}.space`, 'must be a fingerprint')
  const isList = Array.isArray(vector) || vector instanceof Float32Array
  if (!isList || vector.length < 1 || vector.length > largestDim) throw wrong(`${path}.vector`, 'must be a list of numbers')
  const numbers = Float32Array.from(vector as ArrayLike<unknown>, (number) => (typeof number === 'number' ? number : Number.NaN))
  if (!numbers.every(Number.isFinite)) throw wrong(`${path}.vector`, 'must have finite numbers')
  return { space, vector: numbers }
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function wrong(path: string, what: string): InvalidInput {
  return new InvalidInput(`The document is damaged: ${path} ${what}.`, { path })
}
