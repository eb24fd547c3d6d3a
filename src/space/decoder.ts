import { throwIfAborted } from '../errors'
import { float32, nextTask, type Tensor } from '../onnx'
import type { BeamSettings } from './beam'
import { SampledDrafts, type SamplingSettings } from './sampling'
import { type DecoderGraphs, Stepper } from './stepper'
import { type Hypothesis, logProbability, type TokenSearch } from './token-search'

/**
 * How tokens are chosen: by beam search, or drawn, `drafts` times. With `nearest` the prefix does not count: it is the same for all that are found,
 * and divided by the length it would be a prize for long sentences.
 * `random` gives for each vector, by its index, the source of its uniform numbers in [0, 1).
 */
export type SearchSettings =
  | (BeamSettings & { nearest?: boolean })
  | (SamplingSettings & { drafts: number; random: (index: number) => () => number })

/** Rows (sentences × beam or drafts) in one run: a step on one thread stays well under a second. */
const rowsPerRun = 64

/**
 * Decodes vectors to token sequences, many at a time: one run of the graph is a step of all sentences that go on.
 * @param vectors [n, dim]
 * @param prefix the tokens every sequence starts with, two or more.
 * @returns for each vector its finished hypotheses, best first; never empty.
 * @throws Aborted between steps; InvalidInput when a vector is so far off that the decoder gives no probabilities.
 */
export async function decodeVectors(
  graphs: DecoderGraphs,
  vectors: Float32Array,
  dim: number,
  prefix: readonly number[],
  settings: SearchSettings,
  signal?: AbortSignal,
): Promise<Hypothesis[][]> {
  const perRun = Math.max(1, Math.floor(rowsPerRun / ('beam' in settings ? settings.beam : settings.drafts))) * dim
  const search = await searchBy(prefix, settings)
  const results: Hypothesis[][] = []
  for (let start = 0; start < vectors.length; start += perRun) {
    const batch = vectors.slice(start, start + perRun)
    const { conditioning } = await graphs.conditioning.run({ embeddings: float32(batch, [batch.length / dim, dim]) }, ['conditioning'])
    const searchOne = (score: number, sentence: number) => search(score, start / dim + sentence)
    results.push(...(await searchBatch(graphs, conditioning, prefix, searchOne, signal)))
  }
  return results
}

/** What makes the search of one vector, by its index. The code of beam search is loaded at first need: `mini` draws the words of its stories. */
async function searchBy(prefix: readonly number[], settings: SearchSettings): Promise<(prefixScore: number, index: number) => TokenSearch> {
  if ('beam' in settings) {
    const { BeamSearch } = await import('./beam')
    return (score) => new BeamSearch(prefix, settings.nearest ? 0 : score, settings)
  }
  return (_, index) => new SampledDrafts(prefix, settings, settings.random(index), settings.drafts)
}

async function searchBatch(
  graphs: DecoderGraphs,
  conditioning: Tensor,
  prefix: readonly number[],
  search: (prefixScore: number, sentence: number) => TokenSearch,
  signal?: AbortSignal,
): Promise<Hypothesis[][]> {
  const sentences = conditioning.dims[0]!
  const stepper = new Stepper(graphs, conditioning)
  try {
    const scores: number[] = new Array(sentences).fill(0)
    const identity = scores.map((_, index) => index)
    const repeated = (token: number): number[] => new Array(sentences).fill(token)
    for (let i = 0; i + 1 < prefix.length; i++) {
      const logits = await stepper.step(repeated(prefix[i]!), identity, identity)
      for (const sentence of identity)
        scores[sentence] = Math.fround(scores[sentence]! + logProbability(row(logits, sentence, sentences), prefix[i + 1]!))
    }
    const searches = scores.map(search)
    let parents = identity
    for (;;) {
      await nextTask()
      throwIfAborted(signal)
      const live = searches.flatMap((search, sentence) => search.lastTokens.map((token) => ({ token, sentence })))
      if (live.length === 0) return searches.map((search) => search.hypotheses)
      const logits = await stepper.step(
        live.map(({ token }) => token),
        live.map(({ sentence }) => sentence),
        parents,
      )
      parents = advance(searches, logits, live.length)
    }
  } finally {
    stepper.dispose()
  }
}

/** Gives every search its rows of the logits; returns for each live row of the next step its row in this one. */
function advance(searches: readonly TokenSearch[], logits: Float32Array, rows: number): number[] {
  const vocabulary = logits.length / rows
  const parents: number[] = []
  let first = 0
  for (const search of searches) {
    if (search.done) continue
    const count = search.lastTokens.length
    const next = search.advance(logits.subarray(first * vocabulary, (first + count) * vocabulary))
    parents.push(...next.map((parent) => first + parent))
    first += count
  }
  return parents
}

function row(logits: Float32Array, index: number, rows: number): Float32Array {
  const width = logits.length / rows
  return logits.subarray(index * width, (index + 1) * width)
}
