import { normalizeText } from './normalize'
import type { DecodedSentence } from './space'

/** Distances are added this share of the vector's length: below it they say nothing but how the numbers were rounded. */
const rounding = 1e-3

/**
 * Puts first what both decoder and encoder hold for what a vector says, by the log-probability per token − ln ‖vector of the sentence − vector‖. It is
 * a noisy channel (Yee et al. 2019, arXiv 1908.05731) with Gaussian noise of unknown width: where a sentence leads back to the vector itself the
 * distance decides, and where none does, as of a sentence in another language, the probabilities.
 *
 * @param found for each vector the sentences to choose from.
 * @param vectors [n, dim]
 * @param encode what reads sentences as vectors [m, dim]; it is given none without text.
 * @returns the same, best first; a sentence without text last.
 */
export async function nearestFirst(
  found: readonly DecodedSentence[][],
  vectors: Float32Array,
  dim: number,
  encode: (sentences: string[]) => Promise<Float32Array>,
): Promise<DecodedSentence[][]> {
  const texts = [...new Set(found.flat().map(({ text }) => text))].filter((text) => normalizeText(text) !== '')
  const read = await encode(texts)
  const places = new Map(texts.map((text, place) => [text, place]))
  return found.map((sentences, index) => {
    const vector = vectors.subarray(index * dim, (index + 1) * dim)
    const scored = sentences.map((sentence) => {
      const place = places.get(sentence.text)
      if (place === undefined) return { sentence, value: Number.NEGATIVE_INFINITY }
      const distance = Math.hypot(...vector.map((value, i) => value - read[place * dim + i]!))
      return { sentence, value: sentence.score - Math.log(distance + rounding * Math.hypot(...vector)) }
    })
    return scored.sort((a, b) => b.value - a.value).map(({ sentence }) => sentence)
  })
}
