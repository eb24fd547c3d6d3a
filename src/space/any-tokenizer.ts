import { Tokenizer } from '@huggingface/tokenizers'
import type { Pieces } from './pieces'

/** A tokenizer of any kind that the library reads. @throws Error of any kind when `json` is none. */
export function anyTokenizer(json: unknown): Pieces {
  const tokenizer = new Tokenizer(json as never, {})
  return {
    longest: Array.from(tokenizer.get_vocab().keys()).reduce((longest, piece) => Math.max(longest, piece.length), 1),
    id: (piece) => tokenizer.token_to_id(piece),
    encode(text) {
      const { ids, tokens } = tokenizer.encode(text, { add_special_tokens: false })
      return ids.map((id, index) => ({ id, text: tokens[index]! }))
    },
    decode: (ids) => tokenizer.decode([...ids], { clean_up_tokenization_spaces: false }),
  }
}
