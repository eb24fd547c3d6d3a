import { readFileSync } from 'node:fs'
import { CommandError } from './browser'

/** A document to predict: its sentences, or text still to be split. */
export interface InputDocument {
  id?: string
  sentences?: string[]
  text?: string
  language?: string
}

/** A file's text. @throws CommandError when it cannot be read or is not UTF-8. */
export function readText(file: string): string {
  return decoded(file, file)
}

/** Everything that comes in until its end. @throws CommandError when it cannot be read or is not UTF-8. */
export function readStandardInput(): string {
  return decoded(0, 'Standard input')
}

function decoded(file: string | number, name: string): string {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    throw new CommandError('usage', `${name} cannot be read: ${(error as Error).message}.`)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new CommandError('usage', `${name} is not UTF-8 text.`)
  }
}

/** The file's lines that are not empty. @throws CommandError when there is none. */
export function readLines(file: string): string[] {
  const lines = readText(file)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
  if (lines.length === 0) throw new CommandError('usage', `${file} has no lines.`)
  return lines
}

/** A file's JSON. @throws CommandError when it is none. */
export function readJson(file: string): unknown {
  try {
    return JSON.parse(readText(file))
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError('usage', `${file} is not JSON: ${(error as Error).message}.`)
  }
}

/** `{"embedding": […]}` lines. @throws CommandError naming the first wrong line. */
export function readEmbeddings(file: string): number[][] {
  return readObjects(file).map((value, i) => {
    const { embedding } = value
    if (!Array.isArray(embedding) || !embedding.every((number) => Number.isFinite(number))) {
      throw new CommandError('usage', `${file}, line ${i + 1}: "embedding" must be a list of numbers.`)
    }
    return embedding as number[]
  })
}

/** `{"sentences"|"text"|"paragraphs": …}` lines. @throws CommandError naming the first wrong line. */
export function readDocuments(file: string): InputDocument[] {
  return readObjects(file).map((value, i) => {
    const { id, sentences, text, paragraphs, language } = value
    const common = { ...(typeof id === 'string' && { id }), ...(typeof language === 'string' && { language }) }
    if (isTexts(sentences)) return { ...common, sentences }
    if (isTexts(paragraphs)) return { ...common, text: paragraphs.join('\n\n') }
    if (typeof text === 'string') return { ...common, text }
    throw new CommandError('usage', `${file}, line ${i + 1}: a document needs "sentences", "paragraphs" or "text".`)
  })
}

function readObjects(file: string): Record<string, unknown>[] {
  return readLines(file).map((line, i) => {
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      value = undefined
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new CommandError('usage', `${file}, line ${i + 1} is not a JSON object.`)
    }
    return value as Record<string, unknown>
  })
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
