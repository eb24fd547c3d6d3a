import { InvalidInput } from '../errors'

/** What every way to choose tokens keeps to. */
export interface SequenceLimits {
  eos: number
  /** A token that is never generated. */
  pad: number
  /** Longest sequence in tokens, prefix and final end-of-sequence included. */
  maxLength: number
  /** Fewest generated tokens, the final end-of-sequence included. Default 1. */
  minLength?: number
}

export interface BeamSettings extends SequenceLimits {
  /** Rows kept, and finished hypotheses after which the search ends; 1 is greedy decoding. */
  beam: number
  /** Default true: divide a hypothesis's log-probability by (sequence length − 1)^lengthPenalty. */
  normalizeScores?: boolean
  /** Default 1. */
  lengthPenalty?: number
}

export interface Hypothesis {
  /** Generated tokens, without the prefix, with the final end-of-sequence. */
  tokens: number[]
  score: number
}

/** The choice of one sentence's tokens. It knows nothing of a model: it is given the logits of the rows it has. */
export interface TokenSearch {
  /** Last token of each live row: what the model reads next. Empty when the search is over. */
  readonly lastTokens: number[]
  readonly done: boolean
  /** Finished hypotheses, best first. */
  readonly hypotheses: Hypothesis[]
  /**
   * One step.
   * @param logits [rows, vocabulary], a row for each of `lastTokens`.
   * @returns for each live row of the next step, the row of this step it continues.
   * @throws InvalidInput when the logits give no probabilities (NaN or infinite).
   */
  advance(logits: Float32Array): number[]
}

interface Row {
  tokens: number[]
  /** Cumulative log-probability, f32. */
  score: number
}

interface Candidate {
  score: number
  row: number
  token: number
}

/**
 * Beam search over one sequence, in the reference's own bookkeeping (sonar.md §3): cumulative f32 log-probabilities; of the best 2·beam
 * candidates those that end the sequence count only among the first `beam`, and the first `beam` others go on; the last step can
 * only end; the search stops at `beam` finished hypotheses.
 */
export class BeamSearch implements TokenSearch {
  readonly #settings: Required<BeamSettings>
  readonly #prefixLength: number
  readonly #finished: Hypothesis[] = []
  #rows: Row[]

  /**
   * @param prefix the tokens given, e.g. `[</s>, __lang__]`; `maxLength` must leave room for at least one more.
   * @param prefixScore log-probability of the prefix after its first token; it is part of every score.
   */
  constructor(prefix: readonly number[], prefixScore: number, settings: BeamSettings) {
    requireRoom(prefix, settings)
    this.#settings = { minLength: 1, normalizeScores: true, lengthPenalty: 1, ...settings }
    this.#prefixLength = prefix.length
    this.#rows = [{ tokens: [...prefix], score: prefixScore }]
  }

  get lastTokens(): number[] {
    return this.#rows.map((row) => row.tokens.at(-1)!)
  }

  get done(): boolean {
    return this.#rows.length === 0
  }

  get hypotheses(): Hypothesis[] {
    return this.#finished.toSorted((a, b) => b.score - a.score)
  }

  advance(logits: Float32Array): number[] {
    const { beam, eos } = this.#settings
    const candidates = this.#best(logits)
    if (candidates.length === 0 && this.#finished.length === 0) throw noProbabilities()
    for (const { row, token, score } of candidates.slice(0, beam)) {
      if (token !== eos) continue
      this.#finish(this.#rows[row]!, score)
      if (this.#finished.length === beam) {
        this.#rows = []
        return []
      }
    }
    const continued = candidates.filter(({ token }) => token !== eos).slice(0, beam)
    this.#rows = continued.map(({ row, token, score }) => ({ tokens: [...this.#rows[row]!.tokens, token], score }))
    return continued.map(({ row }) => row)
  }

  /** The best 2·beam continuations of all rows, best first; of equals the one of the earlier row and token. */
  #best(logits: Float32Array): Candidate[] {
    const { beam, eos, pad, maxLength, minLength } = this.#settings
    const vocabulary = logits.length / this.#rows.length
    const count = Math.min(2 * beam, vocabulary)
    const length = this.#rows[0]!.tokens.length
    const mustEnd = length === maxLength - 1
    const mayEnd = mustEnd || length - this.#prefixLength >= minLength - 1
    const best: Candidate[] = []
    for (const [row, { score: before }] of this.#rows.entries()) {
      const rowLogits = logits.subarray(row * vocabulary, (row + 1) * vocabulary)
      const logTotal = logSumExp(rowLogits)
      for (let token = 0; token < vocabulary; token++) {
        if (token === eos ? !mayEnd : mustEnd || token === pad) continue
        const score = Math.fround(before + Math.fround(rowLogits[token]! - logTotal))
        if (score === Number.NEGATIVE_INFINITY || (best.length === count && score <= best[count - 1]!.score)) continue
        let place = best.length
        while (place > 0 && best[place - 1]!.score < score) place--
        best.splice(place, 0, { score, row, token })
        if (best.length > count) best.pop()
      }
    }
    return best
  }

  #finish(row: Row, score: number): void {
    const { eos, normalizeScores, lengthPenalty } = this.#settings
    // The sequence with its end has one token more than the row, and its first token has no probability.
    const normalized = normalizeScores ? Math.fround(score / row.tokens.length ** lengthPenalty) : score
    this.#finished.push({ tokens: [...row.tokens.slice(this.#prefixLength), eos], score: normalized })
  }
}

/** @throws InvalidInput unless at least one token may follow the prefix. */
export function requireRoom(prefix: readonly number[], { maxLength }: SequenceLimits): void {
  if (prefix.length < maxLength) return
  throw new InvalidInput(`At least ${prefix.length + 1} tokens are needed, but at most ${maxLength} are allowed.`)
}

/** Logits over a temperature, f32. */
export function atTemperature(logits: Float32Array, temperature: number): Float32Array {
  return temperature === 1 ? logits : logits.map((logit) => logit / temperature)
}

/** Log-probability of one token under the logits of one position, f32. */
export function logProbability(logits: Float32Array, token: number): number {
  return Math.fround(logits[token]! - logSumExp(logits))
}

/** ln Σ exp(logit). @throws InvalidInput when it is not finite. */
export function logSumExp(logits: Float32Array): number {
  let max = Number.NEGATIVE_INFINITY
  for (const logit of logits) if (logit > max) max = logit
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - max)
  const result = max + Math.log(sum)
  if (!Number.isFinite(result)) throw noProbabilities()
  return result
}

/** Of a vector with which nothing can be written. */
export function noProbabilities(): InvalidInput {
  return new InvalidInput('The decoder gives no probabilities for this vector: its values are far from any sentence.')
}
