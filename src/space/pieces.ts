import { Unigram } from './unigram'

/** How a tokenizer turns text into pieces and back. */
export interface Pieces {
  /** Characters of the longest piece. */
  readonly longest: number
  id(piece: string): number | undefined
  /** A text as pieces, each with its id; what is in no piece is one with the id of the unknown. */
  encode(text: string): { id: number; text: string }[]
  /** The text of ids; ids that there are not count as unknown. */
  decode(ids: readonly number[]): string
}

/**
 * The pieces of a Hugging Face `tokenizer.json`, already parsed. What most spaces have, SentencePiece Unigram with byte fallback, is read here; the
 * library that knows all the other kinds is loaded for those alone.
 *
 * @throws Error of any kind when it is no tokenizer.
 */
export async function openPieces(json: unknown): Promise<Pieces> {
  return Unigram.from(json) ?? (await import('./any-tokenizer')).anyTokenizer(json)
}
