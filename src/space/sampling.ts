import {
  atTemperature,
  type Hypothesis,
  logProbability,
  logSumExp,
  noProbabilities,
  requireRoom,
  type SequenceLimits,
  type TokenSearch,
} from './token-search'

/** How tokens are drawn; without `topK` and `topP` from all of them. */
export interface SamplingSettings extends SequenceLimits {
  /** Logits are divided by it, above 0. */
  temperature: number
  /** Only the `topK` likeliest tokens are drawn from, 1 or more. Default: all. */
  topK?: number
  /**
   * Only the likeliest tokens are drawn from: as many as it takes for their probability to exceed `topP`, 0 to 1 (Holtzman et al. 2020, "The
   * Curious Case of Neural Text Degeneration"). With `topK`, of those. Default: all.
   */
  topP?: number
}

/**
 * One sequence drawn token by token, as fairseq2's SamplingSeq2SeqGenerator draws it: softmax of the logits over the temperature; never padding,
 * no end before `minLength`, nothing but the end as the last token; then TopKSampler and TopPSampler.
 */
export class SampledSequence implements TokenSearch {
  readonly #settings: SamplingSettings
  readonly #prefixLength: number
  readonly #random: () => number
  readonly #tokens: number[]
  #score = 0
  #done = false

  /**
   * @param prefix the tokens given; `maxLength` must leave room for at least one more.
   * @param random the next number of a uniform distribution over [0, 1); one is taken a token.
   */
  constructor(prefix: readonly number[], settings: SamplingSettings, random: () => number) {
    requireRoom(prefix, settings)
    this.#settings = settings
    this.#prefixLength = prefix.length
    this.#random = random
    this.#tokens = [...prefix]
  }

  get lastTokens(): number[] {
    return this.#done ? [] : [this.#tokens.at(-1)!]
  }

  get done(): boolean {
    return this.#done
  }

  /**
   * One: its score is the log-probability of its tokens after the prefix, whatever the temperature, over the square root of their number. The mean prefers
   * long sentences and the sum short ones; marks of drafts speak for what lies between (model card of `mini`).
   */
  get hypotheses(): Hypothesis[] {
    if (!this.#done) return []
    const tokens = this.#tokens.slice(this.#prefixLength)
    return [{ tokens, score: Math.fround(this.#score / Math.sqrt(tokens.length)) }]
  }

  advance(logits: Float32Array): number[] {
    const { eos, pad, maxLength, minLength = 1, temperature } = this.#settings
    const length = this.#tokens.length
    const tempered = atTemperature(logits, temperature)
    const logTotal = logSumExp(tempered)
    let token = eos
    if (length < maxLength - 1) {
      const probabilities = Float64Array.from(tempered, (logit) => Math.exp(logit - logTotal))
      probabilities[pad] = 0
      if (length - this.#prefixLength < minLength - 1) probabilities[eos] = 0
      token = draw(probabilities, this.#settings, this.#random())
    }
    this.#tokens.push(token)
    this.#score += logProbability(logits, token)
    this.#done = token === eos
    return this.#done ? [] : [0]
  }
}

/** Several sequences drawn from one vector, taking turns at its random numbers; that with the highest score is the best. */
export class SampledDrafts implements TokenSearch {
  readonly #drafts: SampledSequence[]
  /** Until the first token all drafts share the row of the prefix. */
  #haveBegun = false

  /** @param drafts how many, 1 or more; the others as for `SampledSequence`. */
  constructor(prefix: readonly number[], settings: SamplingSettings, random: () => number, drafts: number) {
    this.#drafts = Array.from({ length: drafts }, () => new SampledSequence(prefix, settings, random))
  }

  get lastTokens(): number[] {
    return (this.#haveBegun ? this.#drafts : this.#drafts.slice(0, 1)).flatMap(({ lastTokens }) => lastTokens)
  }

  get done(): boolean {
    return this.#drafts.every(({ done }) => done)
  }

  get hypotheses(): Hypothesis[] {
    return this.#drafts.flatMap(({ hypotheses }) => hypotheses).sort((a, b) => b.score - a.score)
  }

  advance(logits: Float32Array): number[] {
    const live = this.#drafts.filter(({ done }) => !done)
    const rows = this.#haveBegun ? live.length : 1
    const width = logits.length / rows
    this.#haveBegun = true
    return live.flatMap((draft, index) => {
      const row = index % rows
      return draft.advance(logits.subarray(row * width, (row + 1) * width)).map(() => row)
    })
  }
}

/**
 * Index of a token drawn from probabilities, which need not sum up to 1.
 * @param uniform in [0, 1)
 * @throws InvalidInput when all are zero.
 */
export function draw(probabilities: Float64Array, { topK, topP = 1 }: Pick<SamplingSettings, 'topK' | 'topP'>, uniform: number): number {
  let tokens: number[] = []
  for (const [token, probability] of probabilities.entries()) if (probability > 0) tokens.push(token)
  if (tokens.length === 0) throw noProbabilities()
  if (topK !== undefined && topK < tokens.length) tokens = likeliest(tokens, probabilities, topK)
  if (topP < 1) tokens = nucleus(tokens, probabilities, topP)
  let rest = uniform * sumOf(tokens, probabilities)
  for (const token of tokens) {
    rest -= probabilities[token]!
    if (rest < 0) return token
  }
  return tokens.at(-1)!
}

/** The `count` likeliest tokens, in no order; of equals the first. */
function likeliest(tokens: readonly number[], probabilities: Float64Array, count: number): number[] {
  const least = Float64Array.from(tokens, (token) => probabilities[token]!).sort()[tokens.length - count]!
  const above = tokens.filter((token) => probabilities[token]! > least)
  const equal = tokens.filter((token) => probabilities[token] === least)
  return [...above, ...equal.slice(0, count - above.length)]
}

/** The likeliest tokens, likeliest first, each with at most the share `topP` before it. */
function nucleus(tokens: readonly number[], probabilities: Float64Array, topP: number): number[] {
  const total = sumOf(tokens, probabilities)
  // All tokens below this together are less than 1 − topP, so none is in the nucleus: few are left to sort.
  const least = ((1 - topP) * total) / tokens.length
  const sorted = tokens.filter((token) => probabilities[token]! >= least).sort((a, b) => probabilities[b]! - probabilities[a]! || a - b)
  let before = 0
  const end = sorted.findIndex((token) => {
    if (before > topP * total) return true
    before += probabilities[token]!
    return false
  })
  return end < 0 ? sorted : sorted.slice(0, end)
}

function sumOf(tokens: readonly number[], probabilities: Float64Array): number {
  return tokens.reduce((sum, token) => sum + probabilities[token]!, 0)
}
