import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InvalidInput } from '../errors'
import { BeamSearch } from './beam'
import { draw, SampledDrafts, SampledSequence, type SamplingSettings } from './sampling'
import { logProbability } from './token-search'

const pad = 0
const eos = 3
const prefix = [eos, 9]
const limits = { eos, pad, maxLength: 12 }

/** fairseq2's TopKSampler, then its TopPSampler, over whole sorted tables: the probability of each token. */
function plainDistribution(given: readonly number[], topK = given.length, topP = 1): number[] {
  const sorted = given.map((p, token) => ({ p, token })).sort((a, b) => b.p - a.p)
  const kept = sorted.map(({ p, token }, rank) => ({ p: rank < topK ? p : 0, token }))
  const total = kept.reduce((sum, { p }) => sum + p, 0)
  let before = 0
  const result = given.map(() => 0)
  for (const { p, token } of kept) {
    result[token] = before / total > topP ? 0 : p
    before += p
  }
  const mass = result.reduce((sum, p) => sum + p, 0)
  return result.map((p) => p / mass)
}

describe('draw', () => {
  test('has the distribution of the plain form', () => {
    const tables = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 30 }).filter((table) => table.some((p) => p > 0))
    const settings = fc.record(
      { topK: fc.integer({ min: 1, max: 35 }), topP: fc.constantFrom(0, 0.123, 0.5, 0.777, 0.95, 1) },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(tables, settings, (table, chosen) => {
        // No two are equal: which of equals is kept is up to the sort.
        const probabilities = Float64Array.from(table, (p, token) => (p === 0 ? 0 : p + token * 1e-6))
        const expected = plainDistribution([...probabilities], chosen.topK, chosen.topP)
        const draws = 4000
        const counts = new Float64Array(table.length)
        for (let i = 0; i < draws; i++) counts[draw(probabilities, chosen, (i + 0.5) / draws)]!++
        for (const [token, count] of counts.entries()) expect(Math.abs(count / draws - expected[token]!)).toBeLessThan(2 / draws)
      }),
      { numRuns: 60 },
    )
  })

  test('of equals the first are kept', () => {
    const probabilities = Float64Array.of(0.1, 0.3, 0.3, 0.3)
    const drawn = (settings: Partial<SamplingSettings>) =>
      new Set(Array.from({ length: 50 }, (_, i) => draw(probabilities, settings, i / 50)))
    expect(drawn({ topK: 2 })).toEqual(new Set([1, 2]))
    expect(drawn({ topP: 0.5 })).toEqual(new Set([1, 2]))
    expect(drawn({ topP: 0 })).toEqual(new Set([1]))
  })

  test('nothing can be drawn where nothing is probable', () => {
    expect(() => draw(new Float64Array(4), {}, 0.5)).toThrow(InvalidInput)
  })
})

describe('SampledSequence', () => {
  const settings = { ...limits, temperature: 1 }
  const scattered = (step: number) => Float32Array.from({ length: 20 }, (_, token) => 3 * Math.sin(7.1 * token + 1.3 * step))

  function run(chosen: SamplingSettings, uniforms: (step: number) => number): { tokens: number[]; score: number } {
    let step = 0
    const sequence = new SampledSequence(prefix, chosen, () => uniforms(step))
    for (; !sequence.done; step++) {
      expect(sequence.lastTokens).toHaveLength(1)
      sequence.advance(scattered(step))
    }
    expect(sequence.lastTokens).toEqual([])
    return sequence.hypotheses[0]!
  }

  test('the likeliest token alone is greedy decoding', () => {
    for (const only of [{ topK: 1 }, { topP: 0 }]) {
      const greedy = new BeamSearch(prefix, 0, { ...limits, beam: 1, normalizeScores: false })
      for (let step = 0; !greedy.done; step++) greedy.advance(scattered(step))
      const drawn = run({ ...settings, ...only }, () => 0.9)
      expect(drawn.tokens).toEqual(greedy.hypotheses[0]!.tokens)
      expect(drawn.score * Math.sqrt(drawn.tokens.length)).toBeCloseTo(greedy.hypotheses[0]!.score, 5)
    }
  })

  test('padding is never drawn, the end not before the shortest length, and the last token is the end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.double({ min: 0, max: 0.9999, noNaN: true }), { minLength: 10 }),
        (minLength, numbers) => {
          const { tokens } = run({ ...settings, minLength, temperature: 8 }, (step) => numbers[step]!)
          expect(tokens).not.toContain(pad)
          expect(tokens.indexOf(eos)).toBe(tokens.length - 1)
          expect(tokens.length).toBeGreaterThanOrEqual(minLength)
          expect(tokens.length).toBeLessThanOrEqual(limits.maxLength - prefix.length)
        },
      ),
    )
  })

  test('the score is that of the tokens without the temperature, the last one included, over the root of their number', () => {
    const { tokens, score } = run({ ...settings, temperature: 0.7, topK: 5 }, (step) => (0.37 * step) % 1)
    const total = tokens.reduce((sum, token, step) => sum + logProbability(scattered(step), token), 0)
    expect(score).toBeCloseTo(total / Math.sqrt(tokens.length), 5)
  })

  test('a low temperature draws the likeliest token, a high one any', () => {
    const drawn = (temperature: number) =>
      new Set(Array.from({ length: 100 }, (_, i) => run({ ...settings, maxLength: 4, temperature }, () => i / 100).tokens[0]))
    expect(drawn(0.001).size).toBe(1)
    expect(drawn(100).size).toBe(19)
  })

  test('refuses a prefix without room, and logits that give no probabilities', () => {
    expect(() => new SampledSequence(prefix, { ...settings, maxLength: 2 }, () => 0)).toThrow(InvalidInput)
    const sequence = new SampledSequence(prefix, settings, () => 0)
    expect(() => sequence.advance(new Float32Array(20).fill(Number.NaN))).toThrow(InvalidInput)
  })
})

describe('SampledDrafts', () => {
  const settings = { ...limits, maxLength: 8, temperature: 1 }
  /** Logits that depend on all tokens so far, as a decoder's do. */
  const logitsOf = (tokens: readonly number[]) =>
    Float32Array.from(
      { length: 12 },
      (_, token) => 2 * Math.sin(tokens.reduce((sum, earlier, i) => sum + earlier * (i + 1), 0) + 5.3 * token),
    )
  const uniforms = () => {
    let state = 7
    return () => {
      state = (state * 48271) % 2147483647
      return state / 2147483647
    }
  }

  /** Runs a search as the decoder does: one row of logits for each token that goes on, each following the row it came from. */
  function run(drafts: number): { tokens: number[]; score: number }[] {
    const search = new SampledDrafts(prefix, settings, uniforms(), drafts)
    let rows: number[][] = [[prefix[0]!]]
    let parents = [0]
    while (!search.done) {
      const last = search.lastTokens
      expect(parents).toHaveLength(last.length)
      rows = last.map((token, i) => [...rows[parents[i]!]!, token])
      const logits = new Float32Array(rows.flatMap((tokens) => [...logitsOf(tokens)]))
      parents = search.advance(logits)
    }
    return search.hypotheses
  }

  test('each is a sequence of its own, and that with the highest score comes first', () => {
    const found = run(5)
    expect(found).toHaveLength(5)
    expect(new Set(found.map(({ tokens }) => tokens.join())).size).toBeGreaterThan(1)
    expect(found.map(({ score }) => score)).toEqual(found.map(({ score }) => score).toSorted((a, b) => b - a))
    for (const { tokens, score } of found) {
      const all = [...prefix, ...tokens]
      const logs = tokens.map((token, i) => logProbability(logitsOf(all.slice(0, prefix.length + i)), token))
      expect(score).toBeCloseTo(logs.reduce((sum, log) => sum + log, 0) / Math.sqrt(logs.length), 5)
    }
  })

  test('one alone is the sequence', () => {
    const sequence = new SampledSequence(prefix, settings, uniforms())
    const tokens = [...prefix]
    while (!sequence.done) {
      sequence.advance(logitsOf(tokens))
      tokens.push(...sequence.lastTokens)
    }
    expect(run(1)).toEqual(sequence.hypotheses)
  })
})
