import { ModelFormatError } from '../errors'
import type { LanguageManifest, SpaceManifest } from '../formats/manifest'
import { openPieces, type Pieces } from './pieces'

/**
 * Text to token sequences and back (sonar.md §4): source `[__lang__] pieces… [</s>]`, target prefix `[</s>, __lang__]`.
 */
export class Tokenizer {
  readonly #pieces: Pieces
  readonly #space: SpaceManifest
  /** Ids of the 256 bytes; empty where the vocabulary has none, as NLLB's. */
  readonly #byteIds: readonly number[]
  /** Tokens that text must not turn into: special tokens, language tokens and single bytes. */
  readonly #control: ReadonlySet<number>

  /**
   * @param file bytes of a Hugging Face `tokenizer.json`: a Unigram or BPE model, with byte fallback or without, that adds no special tokens.
   * @throws ModelFormatError when it is not one, or does not have the manifest's tokens under the manifest's ids.
   */
  static async open(file: Uint8Array, space: SpaceManifest): Promise<Tokenizer> {
    let pieces: Pieces
    try {
      pieces = await openPieces(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file)))
    } catch (cause) {
      throw new ModelFormatError(`"${space.tokenizer}" is not a tokenizer this library can read.`, { file: space.tokenizer }, { cause })
    }
    return new Tokenizer(pieces, space)
  }

  private constructor(pieces: Pieces, space: SpaceManifest) {
    this.#pieces = pieces
    this.#space = space
    for (const { code, token } of space.languages) this.#require(`__${code}__`, token)
    const byteTokens = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
    const hasBytes = byteTokens.some((token) => pieces.id(token) !== undefined)
    this.#byteIds = hasBytes ? byteTokens.map((token) => this.#require(token)) : []
    this.#control = new Set([...Object.values(space.tokens), ...space.languages.map(({ token }) => token), ...this.#byteIds])
  }

  /** Token ids of a sentence for the encoder, cut to the space's `maxTokens`; null when nothing of the text becomes a token. */
  source(text: string, language: LanguageManifest): number[] | null {
    const { maxTokens, tokens } = this.#space
    const pieces = this.#encode(text).slice(0, maxTokens - 2)
    return pieces.length === 0 ? null : [language.token, ...pieces, tokens.eos]
  }

  /** The tokens the decoder starts from. */
  targetPrefix(language: LanguageManifest): number[] {
    return [this.#space.tokens.eos, language.token]
  }

  /** Text of generated ids; special and language tokens are left out. */
  decode(ids: readonly number[]): string {
    const special = new Set([...Object.values(this.#space.tokens), ...this.#space.languages.map(({ token }) => token)])
    const kept = ids.filter((id) => !special.has(id))
    return kept.length === 0 ? '' : this.#pieces.decode(kept).trim()
  }

  #encode(text: string): number[] {
    // No kept token can reach beyond this cut, and a text of megabytes costs no more than a sentence.
    const reach = this.#space.maxTokens * this.#pieces.longest
    const cut = text.slice(0, reach).toWellFormed().normalize('NFKC').slice(0, reach).toWellFormed()
    return this.#pieces.encode(cut).flatMap(({ id, text }) => (this.#control.has(id) ? this.#spell(text) : [id]))
  }

  /**
   * Byte fallback: what is in no piece, or only spells a control token, as UTF-8.
   * Without bytes in the vocabulary it is unknown.
   */
  #spell(token: string): number[] {
    if (this.#byteIds.length === 0) return [this.#space.tokens.unk]
    return Array.from(new TextEncoder().encode(token), (byte) => this.#byteIds[byte]!)
  }

  #require(token: string, id?: number): number {
    const found = this.#pieces.id(token)
    if (found !== undefined && (id === undefined || found === id)) return found
    const expected = id === undefined ? '' : ` with id ${id}`
    throw new ModelFormatError(`"${this.#space.tokenizer}" has no token "${token}"${expected}.`, { file: this.#space.tokenizer, token })
  }
}
