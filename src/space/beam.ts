import { type Hypothesis, logSumExp, noProbabilities, requireRoom, type SequenceLimits, type TokenSearch } from './token-search'

export interface BeamSettings extends SequenceLimits {
  /** Rows kept, and finished hypotheses after which the search ends; 1 is greedy decoding. */
  beam: number
  /** Default true: divide a hypothesis's log-probability by (sequence length − 1)^lengthPenalty. */
  normalizeScores?: boolean
  /** Default 1. */
  lengthPenalty?: number
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
