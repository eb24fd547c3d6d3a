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
