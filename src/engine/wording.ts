import { InvalidInput } from '../errors'
import { requireSeed } from '../models/generate'
import { Random } from '../models/random'
import type { DecodeOptions } from '../space/space'
import type { TextSettings } from './protocol'

/** What a page's settings mean for the space's decoder; names that are none of `TextSettings` are left out. */
export interface Wording {
  seed: number
  /** Beam size where the page names none. */
  beam: number
  /** Position in its document of the first concept, which its random numbers belong to. Default 0. */
  first?: number
}

/** @throws InvalidInput for `beam` together with sampling, or a seed that is none; the space checks the ranges. */
export function wording(settings: TextSettings, { seed, beam, first = 0 }: Wording): Omit<DecodeOptions, 'language' | 'signal'> {
  const { textTopK: topK, textTopP: topP, textTemperature: temperature, maxTokens } = settings
  const limit = maxTokens !== undefined && { maxTokens }
  if (topK === undefined && topP === undefined && temperature === undefined) return { beam: settings.beam ?? beam, ...limit }
  if (settings.beam !== undefined) {
    throw new InvalidInput('Beam search and sampling exclude each other: leave out beam, or textTopK, textTopP and textTemperature.')
  }
  requireSeed(seed)
  const random = (index: number) => {
    const numbers = new Random(seed, first + index, 'text')
    return () => numbers.uniform()
  }
  return { sampling: { temperature, topK, topP, random }, ...limit }
}
