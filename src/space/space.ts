import { InvalidInput, ModelFormatError, throwIfAborted } from '../errors'
import type { LanguageManifest, Manifest, SpaceManifest } from '../formats/manifest'
import { Graph, nextTask } from '../onnx'
import type { OnProgress } from '../progress'
import { decodeVectors, type SearchSettings } from './decoder'
import { encoderInputs, encodeSequences } from './encoder'
import { Languages } from './languages'
import { normalizeText } from './normalize'
import { type Sentence, splitSentences } from './splitter'
import { conditioningInputs, type DecoderGraphs, stepInputs } from './stepper'
import { Tokenizer } from './tokenizer'

export interface EncodeOptions {
  /** FLORES-200 code of the sentences' language. */
  language: string
  signal?: AbortSignal
}

export interface DecodeOptions {
  /** FLORES-200 code of the language to write. */
  language: string
  /** Width of the beam search, 1 (greedy) to 64. Default 5. Not with `sampling`. */
  beam?: number
  /** Whether what beam search has found is read again, and what fits the vector best comes first (`nearest.ts`). Default false. */
  nearest?: boolean
  /** Draws tokens instead of searching for the likeliest sentence. */
  sampling?: TextSampling
  /** Longest output in tokens, special tokens included: 3 to the space's `maxTokens`, which is the default. */
  maxTokens?: number
  signal?: AbortSignal
}

/** How tokens are drawn (`SamplingSettings`). */
export interface TextSampling {
  /** Above 0 to 100: below 1 likely tokens become likelier, above 1 all become more alike. Default 1. */
  temperature?: number
  /** 1 or more; default: all tokens. */
  topK?: number
  /** 0 to 1; default: all tokens. */
  topP?: number
  /** How many sentences are drawn for each vector, 1 to 64; the one with the highest score is kept. Default 1. */
  drafts?: number
  /** For each vector, by its index, the source of its uniform numbers in [0, 1). */
  random: (index: number) => () => number
}

export interface DecodedSentence {
  text: string
  /**
   * Nearer to 0 is surer. Found by beam search: log-probability per token of the hypothesis (sonar.md §3), with `nearest` without the prefix's. Drawn:
   * log-probability, whatever the temperature, over the square root of the number of tokens.
   */
  score: number
}

interface Parts {
  tokenizer: Tokenizer
  encoder: Graph
  decoder: DecoderGraphs
}

/** Sentences turned into tokens before messages are handled: some milliseconds. */
const sentencesPerTask = 64

/** A concept space: sentences to vectors and vectors to sentences. */
export class Space {
  readonly #space: SpaceManifest
  readonly #languages: Languages
  readonly #parts: Parts
  readonly #running = new Set<Promise<unknown>>()
  readonly #disposal = new AbortController()

  private constructor(space: SpaceManifest, parts: Parts) {
    this.#space = space
    this.#languages = new Languages(space.languages)
    this.#parts = parts
  }

  /**
   * Makes the tokenizer and the three ONNX sessions ready.
   * @param files the model folder's files by name; they are not needed afterwards.
   * @param onProgress stage `compile`, one step for each of the four files.
   * @throws ModelFormatError when one of the files is not what the manifest says.
   */
  static async load(files: ReadonlyMap<string, Uint8Array>, manifest: Manifest, onProgress?: OnProgress): Promise<Space> {
    const { space } = manifest
    const opened: Graph[] = []
    let loaded = 0
    const open = (name: string): Uint8Array => {
      const file = files.get(name)
      if (!file) throw new ModelFormatError(`The model's file "${name}" is missing.`, { file: name })
      onProgress?.({ stage: 'compile', file: name, loaded: loaded++, total: 4 })
      return file
    }
    const graph = async (name: string, inputs: readonly string[]): Promise<Graph> => {
      // A graph's large weights lie beside it, in files named after it (`training/noema_training/convert_space.py`).
      const externalData = new Map([...files].filter(([file]) => file.startsWith(`${name}.data-`)))
      const result = await Graph.load(name, open(name), inputs, { externalData })
      opened.push(result)
      return result
    }
    try {
      const { conditioning, step, ...shape } = space.decoder
      const tokenizer = await Tokenizer.open(open(space.tokenizer), space)
      const encoder = await graph(space.encoder.file, encoderInputs)
      const decoder = { conditioning: await graph(conditioning, conditioningInputs), step: await graph(step, stepInputs), ...shape }
      onProgress?.({ stage: 'compile', file: step, loaded, total: 4 })
      return new Space(space, { tokenizer, encoder, decoder })
    } catch (error) {
      await Promise.all(opened.map((session) => session.release()))
      throw error
    }
  }

  /** Length of a vector. */
  get dim(): number {
    return this.#space.dim
  }

  get languages(): readonly LanguageManifest[] {
    return this.#languages.all
  }

  /** @throws UnsupportedLanguage when `code` is not one of the space's languages. */
  requireLanguage(code: string): void {
    this.#languages.get(code)
  }

  /**
   * The sentences of a text, each short enough for the encoder.
   * @throws UnsupportedLanguage; InvalidInput when the text has no letters or digits.
   */
  split(text: string, language: string): Sentence[] {
    this.#languages.get(language)
    const sentences = splitSentences(text, { language, maxCharacters: this.#space.maxCharacters })
    if (sentences.length === 0) throw new InvalidInput('The text has no sentence: write at least one word.')
    return sentences
  }

  /**
   * Encodes sentences as they are, without splitting; what lies beyond `maxTokens` tokens is cut off.
   * @returns [n, dim]
   * @throws UnsupportedLanguage; InvalidInput for a sentence without text; Aborted.
   */
  async encode(sentences: readonly string[], { language, signal }: EncodeOptions): Promise<Float32Array> {
    const source = this.#languages.get(language)
    return this.#run(signal, async (either) => {
      const sequences: number[][] = []
      for (const [index, sentence] of sentences.entries()) {
        const sequence = this.#parts.tokenizer.source(normalizeText(sentence), source)
        if (!sequence) throw new InvalidInput(`Sentence ${index} is empty.`, { index })
        sequences.push(sequence)
        if (index % sentencesPerTask === sentencesPerTask - 1) {
          await nextTask()
          throwIfAborted(either)
        }
      }
      return encodeSequences(this.#parts.encoder, sequences, this.dim, either)
    })
  }

  /** @throws UnsupportedLanguage; InvalidInput for options out of range. */
  requireDecodeOptions(options: DecodeOptions): void {
    this.#decoding(options)
  }

  /**
   * Decodes vectors to sentences, many in one run.
   * @param vectors [n, dim], as `encode` gives them.
   * @throws UnsupportedLanguage; InvalidInput for vectors of another size or with NaN or infinity, and for options out of range; Aborted.
   */
  async decode(vectors: Float32Array, options: DecodeOptions): Promise<DecodedSentence[]> {
    return (await this.candidates(vectors, options)).map(([best]) => best!)
  }

  /** As `decode`, with everything that was found or drawn for each vector, best first: of the highest score, or as `nearest` has it. */
  async candidates(vectors: Float32Array, options: DecodeOptions): Promise<DecodedSentence[][]> {
    const { prefix, settings } = this.#decoding(options)
    if (vectors.length % this.dim !== 0)
      throw new InvalidInput(`Vectors must have ${this.dim} elements each; there are ${vectors.length} in all.`)
    if (!vectors.every(Number.isFinite)) throw new InvalidInput('A vector has an element that is not a finite number.')
    const search = async (vectors: Float32Array): Promise<DecodedSentence[][]> => {
      const found = await this.#run(options.signal, (either) =>
        decodeVectors(this.#parts.decoder, vectors, this.dim, prefix, settings, either),
      )
      return found.map((all) => all.map(({ tokens, score }) => ({ text: this.#parts.tokenizer.decode(tokens), score })))
    }
    const found = await search(vectors)
    if (!options.nearest || options.sampling) return found
    const { nearestFirst } = await import('./nearest')
    return nearestFirst(found, vectors, this.dim, { encode: (texts) => this.encode(texts, options), search })
  }

  /**
   * Logits of a given target. Its code is loaded at first need: texts are written without.
   * @param vector [dim]
   * @param tokens ids of the vocabulary, the first one included.
   * @returns [tokens, vocabulary]: row i for the token after `tokens[i]`.
   */
  async logits(vector: Float32Array, tokens: readonly number[]): Promise<Float32Array> {
    const { targetLogits } = await import('./target-logits')
    return this.#run(undefined, () => targetLogits(this.#parts.decoder, vector, tokens))
  }

  /** Rejects the calls still running with `Aborted` and frees the sessions. */
  async dispose(): Promise<void> {
    if (this.#disposal.signal.aborted) return
    this.#disposal.abort()
    await Promise.allSettled(this.#running)
    const { encoder, decoder } = this.#parts
    await Promise.all([encoder.release(), decoder.conditioning.release(), decoder.step.release()])
  }

  #decoding({ language, beam = 5, nearest, sampling, maxTokens = this.#space.maxTokens }: DecodeOptions): {
    prefix: number[]
    settings: SearchSettings
  } {
    const prefix = this.#parts.tokenizer.targetPrefix(this.#languages.get(language))
    checkInteger('maxTokens', maxTokens, prefix.length + 1, this.#space.maxTokens)
    const { eos, pad } = this.#space.tokens
    const limits = { eos, pad, maxLength: maxTokens }
    if (sampling) return { prefix, settings: { ...checkedSampling(sampling), ...limits } }
    checkInteger('beam', beam, 1, 64)
    return { prefix, settings: { beam, nearest, ...limits } }
  }

  /** Runs a call that the caller's signal and `dispose` both end, and that `dispose` waits for. */
  async #run<T>(signal: AbortSignal | undefined, call: (either: AbortSignal) => Promise<T>): Promise<T> {
    const either = signal ? AbortSignal.any([signal, this.#disposal.signal]) : this.#disposal.signal
    throwIfAborted(either)
    const running = call(either)
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }
}

/** @throws InvalidInput for options out of range. */
function checkedSampling({
  temperature = 1,
  topK,
  topP,
  drafts = 1,
  random,
}: TextSampling): TextSampling & { temperature: number; drafts: number } {
  if (!(temperature > 0 && temperature <= 100)) {
    throw new InvalidInput(`The temperature of text must be above 0, up to 100, not ${temperature}.`, { temperature })
  }
  if (topK !== undefined) checkInteger('The top-k of text', topK, 1, Number.MAX_SAFE_INTEGER)
  if (topP !== undefined && !(topP >= 0 && topP <= 1))
    throw new InvalidInput(`The top-p of text must be from 0 to 1, not ${topP}.`, { topP })
  checkInteger('The number of drafts of a text', drafts, 1, 64)
  return { temperature, topK, topP, drafts, random }
}

function checkInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new InvalidInput(`${name} must be an integer from ${min} to ${max}.`, { [name]: value })
}
