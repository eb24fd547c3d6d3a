import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { ModelFormatError } from '../errors'
import type { LanguageManifest, SpaceManifest } from '../formats/manifest'

/**
 * Text to token sequences and back (sonar.md §4): source `[__lang__] pieces… [</s>]`, target prefix `[</s>, __lang__]`.
 */
export class Tokenizer {
  readonly #tokenizer: HuggingFaceTokenizer
  readonly #space: SpaceManifest
  /** Ids of the 256 bytes; empty where the vocabulary has none, as NLLB's. */
  readonly #byteIds: readonly number[]
  /** Tokens that text must not turn into: special tokens, language tokens and single bytes. */
  readonly #control: ReadonlySet<number>
  readonly #longestPiece: number

  /**
   * @param file bytes of a Hugging Face `tokenizer.json`: a Unigram or BPE model, with byte fallback or without, that adds no special tokens.
   * @throws ModelFormatError when it is not one, or does not have the manifest's tokens under the manifest's ids.
   */
  constructor(file: Uint8Array, space: SpaceManifest) {
    this.#space = space
    try {
      this.#tokenizer = new HuggingFaceTokenizer(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file)), {})
      this.#longestPiece = Array.from(this.#tokenizer.get_vocab().keys()).reduce((longest, piece) => Math.max(longest, piece.length), 1)
    } catch (cause) {
      throw new ModelFormatError(`"${space.tokenizer}" is not a tokenizer this library can read.`, { file: space.tokenizer }, { cause })
    }
    for (const { code, token } of space.languages) this.#require(`__${code}__`, token)
    const byteTokens = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
    const hasBytes = byteTokens.some((token) => this.#tokenizer.token_to_id(token) !== undefined)
    this.#byteIds = hasBytes ? byteTokens.map((token) => this.#require(token)) : []
    this.#control = new Set([...Object.values(space.tokens), ...space.languages.map(({ token }) => token), ...this.#byteIds])
  }

  /** Token ids of a sentence for the encoder, cut to the space's `maxTokens`; null when nothing of the text becomes a token. */
  source(text: string, language: LanguageManifest): number[] | null {
    const { maxTokens, tokens } = this.#space
    const pieces = this.#pieces(text).slice(0, maxTokens - 2)
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
    return kept.length === 0 ? '' : this.#tokenizer.decode(kept, { clean_up_tokenization_spaces: false }).trim()
  }

  #pieces(text: string): number[] {
    // No kept token can reach beyond this cut, and a text of megabytes costs no more than a sentence.
    const reach = this.#space.maxTokens * this.#longestPiece
    const cut = text.slice(0, reach).toWellFormed().normalize('NFKC').slice(0, reach).toWellFormed()
    const { ids, tokens } = this.#tokenizer.encode(cut, { add_special_tokens: false })
    return ids.flatMap((id, index) => (this.#control.has(id) ? this.#spell(tokens[index]!) : [id]))
  }

  /**
   * Byte fallback, which the tokenizer library lacks for Unigram models: what is in no piece, or only spells a control token, as UTF-8.
   * Without bytes in the vocabulary it is unknown.
   */
  #spell(token: string): number[] {
    if (this.#byteIds.length === 0) return [this.#space.tokens.unk]
    return Array.from(new TextEncoder().encode(token), (byte) => this.#byteIds[byte]!)
  }

  #require(token: string, id?: number): number {
    const found = this.#tokenizer.token_to_id(token)
    if (found !== undefined && (id === undefined || found === id)) return found
    const expected = id === undefined ? '' : ` with id ${id}`
    throw new ModelFormatError(`"${this.#space.tokenizer}" has no token "${token}"${expected}.`, { file: this.#space.tokenizer, token })
  }
}
