import { normalizeText } from './normalize'
import type { DecodedSentence } from './space'

/** Distances are added this share of the vector's length: below it they say nothing but how the numbers were rounded. */
const rounding = 1e-3
/** Of the length of a vector: a sentence this near to it leads back to it, and one farther away than `reach`, as a translation is, will not. */
const arrived = 0.01
const reach = 0.33
/** How often a sentence of a vector is corrected at most, and how far beyond the vector, in distances of that sentence from it. */
const rounds = 4
const overshoot = 0.5

/** What sentences are found and read with. */
export interface Tools {
  /** Reads sentences as vectors [m, dim]; it is given none without text. */
  encode(sentences: string[]): Promise<Float32Array>
  /** Finds sentences for each of several vectors [m, dim]. */
  search(vectors: Float32Array): Promise<DecodedSentence[][]>
}

interface Read {
  sentence: DecodedSentence
  /** Its own vector; none of a sentence without text. */
  vector?: Float32Array
  distance: number
  value: number
  isTried: boolean
}

/**
 * Puts first what both decoder and encoder hold for what a vector says, by the log-probability per token − ln ‖vector of the sentence − vector‖. It is
 * a noisy channel (Yee et al. 2019, arXiv 1908.05731) with Gaussian noise of unknown width: where a sentence leads back to the vector itself the
 * distance decides, and where none does, as of a sentence in another language, the probabilities.
 *
 * Where the first is near the vector but does not lead back to it, the search runs again beyond the vector, on the far side of the best sentence not
 * tried yet: for vector + ½ (vector − vector of the sentence). What that sentence lacks has more weight there. It corrects a text by its embedding as
 * Vec2Text does (Morris et al. 2023, arXiv 2310.06816), without a model trained for it. The probability of what is found so is that under the vector
 * it was found for.
 *
 * @param found for each vector the sentences to choose from.
 * @param vectors [n, dim]
 * @returns the same and what was found in correcting them, each text once, best first; a sentence without text last.
 */
export async function nearestFirst(
  found: readonly DecodedSentence[][],
  vectors: Float32Array,
  dim: number,
  { encode, search }: Tools,
): Promise<DecodedSentence[][]> {
  const all = found.map((_, index) => ({ vector: vectors.subarray(index * dim, (index + 1) * dim), read: [] as Read[] }))
  const own = new Map<string, Float32Array>()

  const add = async (places: readonly number[], sentences: readonly DecodedSentence[][]) => {
    const texts = [...new Set(sentences.flat().map(({ text }) => text))].filter((text) => normalizeText(text) !== '' && !own.has(text))
    const read = texts.length > 0 ? await encode(texts) : new Float32Array()
    for (const [n, text] of texts.entries()) own.set(text, read.subarray(n * dim, (n + 1) * dim))
    for (const [n, place] of places.entries()) {
      const { vector, read } = all[place]!
      const known = new Set(read.map(({ sentence }) => sentence.text))
      for (const sentence of sentences[n]!) {
        if (known.has(sentence.text)) continue
        known.add(sentence.text)
        read.push(valued(sentence, own.get(sentence.text), vector))
      }
      read.sort((a, b) => b.value - a.value)
    }
  }

  await add([...found.keys()], found)
  for (let round = 0; round < rounds; round++) {
    const places: number[] = []
    const beyond: number[] = []
    for (const [place, { vector, read }] of all.entries()) {
      const off = (read[0]?.distance ?? 0) / Math.hypot(...vector)
      const best = read.find((one) => one.vector && !one.isTried)
      if (!best || !(off > arrived && off <= reach)) continue
      best.isTried = true
      places.push(place)
      for (const [i, value] of vector.entries()) beyond.push(value + overshoot * (value - best.vector![i]!))
    }
    if (places.length === 0) break
    await add(places, await search(Float32Array.from(beyond)))
  }
  return all.map(({ read }) => read.map(({ sentence }) => sentence))
}

function valued(sentence: DecodedSentence, own: Float32Array | undefined, vector: Float32Array): Read {
  if (!own) return { sentence, distance: Number.POSITIVE_INFINITY, value: Number.NEGATIVE_INFINITY, isTried: false }
  const distance = Math.hypot(...vector.map((value, i) => value - own[i]!))
  const value = sentence.score - Math.log(distance + rounding * Math.hypot(...vector))
  return { sentence, vector: own, distance, value, isTried: false }
}
