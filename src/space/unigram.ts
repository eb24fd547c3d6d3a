import type { Pieces } from './pieces'

/** What SentencePiece writes for a space. */
const blank = '▁'

/** Log-probability of an unknown character below that of the least likely piece, as in SentencePiece. */
const unknownPenalty = 10

/** A `tokenizer.json` as far as it is read here. */
interface UnigramFile {
  added_tokens: { id: number; content: string }[]
  normalizer: unknown
  model: { unk_id: number; vocab: [piece: string, score: number][] }
}

/** Characters that follow each other in a piece; `id` where one ends. */
interface Node {
  id?: number
  readonly next: Map<string, Node>
}

/** The best way through a text to the end of one of its pieces. */
interface Step {
  id: number
  start: number
  score: number
  before: Step | undefined
}

/**
 * A SentencePiece Unigram tokenizer (Kudo 2018, "Subword Regularization") with byte fallback, as in `training/noema_training/tokenizer.py`: the
 * likeliest pieces of the normalised text, by Viterbi's algorithm.
 */
export class Unigram implements Pieces {
  readonly longest: number
  readonly #ids = new Map<string, number>()
  readonly #pieces: string[] = []
  readonly #scores: number[]
  readonly #unknown: number
  readonly #root: Node = { next: new Map() }
  readonly #normalize: (text: string) => string
  /** Cuts a text around the tokens that were added to the vocabulary. */
  readonly #added: RegExp | undefined

  /** Null for a tokenizer of another kind, or with parts that are not read here. */
  static from(json: unknown): Unigram | null {
    const file = json as UnigramFile
    const normalize = isUnigram(file) && normalizer(file.normalizer)
    return normalize ? new Unigram(file, normalize) : null
  }

  private constructor({ added_tokens, model }: UnigramFile, normalize: (text: string) => string) {
    this.#normalize = normalize
    this.#unknown = model.unk_id
    this.#scores = model.vocab.map(([, score]) => score)
    this.#scores[this.#unknown] = this.#scores.reduce((least, score) => Math.min(least, score)) - unknownPenalty
    for (const [id, [piece]] of model.vocab.entries()) {
      this.#pieces[id] = piece
      this.#ids.set(piece, id)
      let node = this.#root
      for (const character of piece) {
        const next: Node = node.next.get(character) ?? { next: new Map() }
        node.next.set(character, next)
        node = next
      }
      node.id = id
    }
    const contents = added_tokens.map(({ content }) => content).sort((a, b) => b.length - a.length)
    this.#added = contents.length > 0 ? new RegExp(`(${contents.map((content) => content.replace(/\W/gu, '\\$&')).join('|')})`) : undefined
    for (const { id, content } of added_tokens) {
      this.#pieces[id] = content
      this.#ids.set(content, id)
    }
    this.longest = Array.from(this.#ids.keys()).reduce((longest, piece) => Math.max(longest, piece.length), 1)
  }

  id(piece: string): number | undefined {
    return this.#ids.get(piece)
  }

  encode(text: string): { id: number; text: string }[] {
    const sections = this.#added ? text.split(this.#added) : [text]
    // Every second section is an added token.
    return sections.flatMap((section, index) =>
      index % 2 === 1 ? [{ id: this.#ids.get(section)!, text: section }] : this.#likeliest(section),
    )
  }

  decode(ids: readonly number[]): string {
    let text = ''
    let bytes: number[] = []
    const flush = () => {
      if (bytes.length > 0) text += new TextDecoder().decode(Uint8Array.from(bytes))
      bytes = []
    }
    for (const id of ids) {
      const piece = this.#pieces[id] ?? this.#pieces[this.#unknown]!
      const byte = /^<0x([\da-f]{2})>$/i.exec(piece)
      if (byte) bytes.push(Number.parseInt(byte[1]!, 16))
      else {
        flush()
        text += piece.replaceAll(blank, ' ')
      }
    }
    flush()
    return text
  }

  #likeliest(section: string): { id: number; text: string }[] {
    const normalized = this.#normalize(section).replaceAll(' ', blank)
    if (normalized === '') return []
    const characters = Array.from(normalized.startsWith(blank) ? normalized : blank + normalized)
    const found: { id: number; text: string }[] = []
    let end = characters.length
    for (let step = this.#best(characters); step; step = step.before) {
      found.push({ id: step.id, text: characters.slice(step.start, end).join('') })
      end = step.start
    }
    found.reverse()
    // What is in no piece is one, however long.
    return found.filter((piece, index) => {
      const before = found[index + 1]
      if (piece.id !== this.#unknown || before?.id !== this.#unknown) return true
      before.text = piece.text + before.text
      return false
    })
  }

  /** The last step of the likeliest way through all characters; of equally likely ways the one with the longest last piece. */
  #best(characters: readonly string[]): Step | undefined {
    const endings: Step[][] = Array.from({ length: characters.length + 1 }, () => [])
    for (const start of characters.keys()) {
      const before = endings[start]!
      let node: Node | undefined = this.#root
      for (let end = start; end < characters.length; ) {
        node = node.next.get(characters[end++]!)
        if (!node) break
        if (node.id !== undefined) endings[end]!.push(stepAfter(before, start, node.id, this.#scores[node.id]!))
      }
      if (this.#root.next.get(characters[start]!)?.id === undefined) {
        endings[start + 1]!.push(stepAfter(before, start, this.#unknown, this.#scores[this.#unknown]!))
      }
    }
    return stepAfter(endings.at(-1)!, characters.length, -1, 0).before
  }
}

/** A piece after the likeliest of the steps that end where it begins, the first of equal ones. */
function stepAfter(endings: readonly Step[], start: number, id: number, score: number): Step {
  let before: Step | undefined
  let best = score
  for (const ending of endings) {
    const sum = ending.score + score
    if (before && sum <= best) continue
    before = ending
    best = sum
  }
  return { id, start, score: best, before }
}

function isUnigram(file: UnigramFile): boolean {
  const { added_tokens, pre_tokenizer, post_processor, decoder, model } = (file ?? {}) as unknown as Record<string, Json>
  return (
    model?.type === 'Unigram' &&
    model.byte_fallback === true &&
    Array.isArray(model.vocab) &&
    model.vocab.every((entry: unknown) => Array.isArray(entry) && typeof entry[0] === 'string' && typeof entry[1] === 'number') &&
    model.vocab[model.unk_id as number] !== undefined &&
    Array.isArray(added_tokens) &&
    added_tokens.every(
      ({ id, content, special, normalized, single_word, lstrip, rstrip }) =>
        Number.isInteger(id) &&
        typeof content === 'string' &&
        content !== '' &&
        special &&
        !normalized &&
        !single_word &&
        !lstrip &&
        !rstrip,
    ) &&
    isMetaspace(pre_tokenizer) &&
    post_processor === null &&
    decoder?.type === 'Sequence' &&
    Array.isArray(decoder.decoders) &&
    decoder.decoders.length === 2 &&
    decoder.decoders[0]?.type === 'ByteFallback' &&
    isMetaspace(decoder.decoders[1])
  )
}

// biome-ignore lint/suspicious/noExplicitAny: a part of a file that anyone may have written
type Json = any

function isMetaspace(part: Json): boolean {
  return part?.type === 'Metaspace' && part.replacement === blank && part.prepend_scheme === 'always'
}

/** What a normalizer does to a text; null for one that is not read here. */
function normalizer(part: Json): ((text: string) => string) | null {
  if (part === null) return (text) => text
  const { type, normalizers, pattern, content, strip_left, strip_right } = part ?? {}
  if (['NFC', 'NFD', 'NFKC', 'NFKD'].includes(type)) return (text) => text.normalize(type)
  if (type === 'Strip' && strip_left && strip_right) return (text) => text.trim()
  if (type === 'Replace' && typeof content === 'string') {
    // Other patterns mean something else to the regular expressions of tokenizers than to those of JavaScript.
    if (!/^(?:\\s|\[[^\]\\[&^-]+\])\+?$/.test(pattern?.Regex)) return null
    const expression = new RegExp(pattern.Regex.replace('\\s', '\\p{White_Space}'), 'gu')
    return (text) => text.replace(expression, () => content)
  }
  if (type !== 'Sequence' || !Array.isArray(normalizers)) return null
  const steps = normalizers.map(normalizer)
  return steps.every((step) => step !== null) ? (text) => steps.reduce((result, step) => step!(result), text) : null
}
