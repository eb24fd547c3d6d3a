import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InvalidInput } from '../errors'
import { BeamSearch, type BeamSettings } from './beam'
import { type Hypothesis, logProbability } from './token-search'

const pad = 0
const eos = 3
const prefix = [eos, 9]

/** A model by hand: the logits after a sequence. */
type Scorer = (tokens: readonly number[]) => ArrayLike<number>

/** Runs a search to its end; `tokens` are kept here from the parents it returns, as a model's cache is. */
function search(scorer: Scorer, settings: Partial<BeamSettings> & { maxLength: number }, prefixScore = 0): Hypothesis[] {
  const beams = new BeamSearch(prefix, prefixScore, { beam: 5, eos, pad, ...settings })
  let rows: number[][] = [prefix.slice(0, -1)]
  let parents = [0]
  while (!beams.done) {
    rows = beams.lastTokens.map((token, row) => [...rows[parents[row]!]!, token])
    parents = beams.advance(Float32Array.from(rows.flatMap((tokens) => Array.from(scorer(tokens)))))
  }
  return beams.hypotheses
}

/** Logits that depend on every token of the sequence. */
function randomScorer(seed: number, vocabulary: number, spread = 4): Scorer {
  return (tokens) => {
    let state = tokens.reduce((hash, token) => Math.imul(hash ^ (token + 1), 0x01000193), seed | 0)
    return Array.from({ length: vocabulary }, () => {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5
      return (((state ^ (state >>> 13)) >>> 0) / 2 ** 32) * spread
    })
  }
}

/** The reference's algorithm written as plainly as possible over whole tables (sonar.md §3). */
function plainSearch(scorer: Scorer, { beam, maxLength, minLength }: { beam: number; maxLength: number; minLength: number }): Hypothesis[] {
  let rows = [{ tokens: prefix, score: 0 }]
  const finished: Hypothesis[] = []
  for (let length = prefix.length; length < maxLength; length++) {
    const table = rows.flatMap(({ tokens, score }) => {
      const logits = Float32Array.from(scorer(tokens))
      return Array.from(logits, (_, token) => {
        const forbidden =
          length === maxLength - 1
            ? token !== eos
            : token === pad || (token === eos && length < Math.min(maxLength, prefix.length + minLength) - 1)
        return { tokens, token, score: forbidden ? Number.NEGATIVE_INFINITY : Math.fround(score + logProbability(logits, token)) }
      })
    })
    const top = table.sort((a, b) => b.score - a.score).slice(0, Math.min(2 * beam, scorer(prefix).length))
    for (const { tokens, token, score } of top.slice(0, beam)) {
      if (token !== eos || score === Number.NEGATIVE_INFINITY) continue
      finished.push({ tokens: [...tokens.slice(prefix.length), eos], score: Math.fround(score / length) })
      if (finished.length === beam) return finished.sort((a, b) => b.score - a.score)
    }
    rows = top
      .filter(({ token, score }) => token !== eos && score > Number.NEGATIVE_INFINITY)
      .slice(0, beam)
      .map(({ tokens, token, score }) => ({ tokens: [...tokens, token], score }))
  }
  return finished.sort((a, b) => b.score - a.score)
}

describe('BeamSearch', () => {
  test('equals the plain form for random models', () => {
    const settings = fc.record({
      beam: fc.integer({ min: 1, max: 6 }),
      maxLength: fc.integer({ min: 3, max: 9 }),
      minLength: fc.integer({ min: 1, max: 4 }),
    })
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 5, max: 30 }), settings, (seed, vocabulary, chosen) => {
        const scorer = randomScorer(seed, vocabulary)
        expect(search(scorer, chosen)).toEqual(plainSearch(scorer, chosen))
      }),
      { numRuns: 500 },
    )
  })

  test('finds every sequence, in order, when the beam is wider than all of them', () => {
    const words = [4, 5, 6]
    const possible = (tokens: readonly number[]) => {
      const logits = new Array(64).fill(Number.NEGATIVE_INFINITY)
      const values = randomScorer(7, 64)(tokens)
      for (const token of [eos, ...words]) logits[token] = values[token]
      return logits
    }
    const enumerate = (tokens: number[], score: number): Hypothesis[] => {
      const logits = Float32Array.from(possible([...prefix, ...tokens]))
      const ended = { tokens: [...tokens, eos], score: (score + logProbability(logits, eos)) / (prefix.length + tokens.length) }
      return [
        ended,
        ...(tokens.length < 2 ? words.flatMap((word) => enumerate([...tokens, word], score + logProbability(logits, word))) : []),
      ]
    }
    const all = enumerate([], -1.5).sort((a, b) => b.score - a.score)
    const found = search(possible, { beam: 20, maxLength: 5 }, -1.5)
    expect(found.map(({ tokens }) => tokens)).toEqual(all.map(({ tokens }) => tokens))
    for (const [index, { score }] of found.entries()) expect(score).toBeCloseTo(all[index]!.score, 5)
  })

  test('greedy decoding (beam 1) takes the most probable token each time', () => {
    const scorer = randomScorer(3, 20)
    const expected: number[] = []
    for (;;) {
      const logits = Array.from(scorer([...prefix, ...expected]))
      logits[pad] = Number.NEGATIVE_INFINITY
      expected.push(expected.length === 7 ? eos : logits.indexOf(Math.max(...logits)))
      if (expected.at(-1) === eos) break
    }
    expect(search(scorer, { beam: 1, maxLength: 10 }).map(({ tokens }) => tokens)).toEqual([expected])
  })

  test('an end counts only among the first `beam` candidates', () => {
    // After the prefix, the end ranks third: with beam 2 it is dropped, with beam 3 it is a hypothesis.
    const scorer: Scorer = (tokens) => (tokens.length === 2 ? [9, 0, 0, 3, 5, 4, -9, -9, -9, -9] : [0, 0, 0, 9, 0, 0, 0, 0, 0, 0])
    expect(search(scorer, { beam: 2, maxLength: 8 }).map(({ tokens }) => tokens)).not.toContainEqual([eos])
    expect(search(scorer, { beam: 3, maxLength: 8 }).map(({ tokens }) => tokens)).toContainEqual([eos])
  })

  test('never gives the padding token, holds the lengths, and ends what is cut off', () => {
    const scorer: Scorer = () => [50, 0, 0, 20, 3, 2, 1, 0, 0, 0]
    for (const { tokens } of search(scorer, { maxLength: 8, minLength: 4 })) {
      expect(tokens).not.toContain(pad)
      expect(tokens.length).toBeGreaterThanOrEqual(4)
      expect(tokens.length).toBeLessThanOrEqual(6)
      expect(tokens.indexOf(eos)).toBe(tokens.length - 1)
    }
    const endless: Scorer = () => [0, 0, 0, -50, 9, 0, 0, 0, 0, 0]
    expect(search(endless, { maxLength: 6 })[0]!.tokens).toEqual([4, 4, 4, eos])
  })

  test('scores: prefix included, divided by the sequence length less one', () => {
    const scorer: Scorer = (tokens) =>
      tokens.length === 3 ? [0, 0, 0, 0, 0, 0, 0, 0, 0, 0] : [-99, -99, -99, -99, 0, -99, -99, -99, -99, -99]
    const best = search(scorer, { beam: 1, maxLength: 4 }, -2)[0]!
    expect(best.tokens).toEqual([4, eos])
    expect(best.score).toBeCloseTo((-2 + 0 - Math.log(10)) / 3, 6)
    expect(search(scorer, { beam: 1, maxLength: 4, normalizeScores: false }, -2)[0]!.score).toBeCloseTo(-2 - Math.log(10), 6)
    expect(search(scorer, { beam: 1, maxLength: 4, lengthPenalty: 2 }, -2)[0]!.score).toBeCloseTo((-2 - Math.log(10)) / 9, 6)
  })

  test('refuses a prefix that leaves no room, and logits without probabilities', () => {
    expect(() => new BeamSearch(prefix, 0, { beam: 5, eos, pad, maxLength: 2 })).toThrow(InvalidInput)
    expect(() => search(() => new Array(10).fill(Number.NaN), { maxLength: 5 })).toThrow(InvalidInput)
    expect(() => search(() => new Array(10).fill(Number.NEGATIVE_INFINITY), { maxLength: 5 })).toThrow(InvalidInput)
    expect(() => search(() => [1, 1, 1, 1, Number.POSITIVE_INFINITY], { maxLength: 5 })).toThrow(InvalidInput)
    expect(() => search(() => [0, ...new Array(9).fill(Number.NEGATIVE_INFINITY)], { maxLength: 5 })).toThrow(InvalidInput)
  })
})
