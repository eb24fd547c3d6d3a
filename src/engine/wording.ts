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
  /** Whether what is found is read again, where the page does not say. Default false. */
  nearest?: boolean
  /** How words are drawn where the page says nothing of words. Default: they are searched for. */
  text?: TextSettings
  /** Position in its document of the first concept, which its random numbers belong to. Default 0. */
  first?: number
}

/** @throws InvalidInput for `beam` or `nearest` together with sampling, or a seed that is none; the space checks the ranges. */
export function wording(
  settings: TextSettings,
  { seed, beam, nearest, text, first = 0 }: Wording,
): Omit<DecodeOptions, 'language' | 'signal'> {
  const { maxTokens } = settings
  const limit = maxTokens !== undefined && { maxTokens }
  const searches = settings.beam !== undefined || settings.nearest
  const saysNothing = !draws(settings) && !searches
  const chosen = saysNothing && text ? text : settings
  if (!draws(chosen)) return { beam: settings.beam ?? beam, nearest: settings.nearest ?? nearest, ...limit }
  if (searches) {
    throw new InvalidInput(
      'Beam search and sampling exclude each other: leave out beam and nearest, or textTopK, textTopP, textTemperature and textDrafts.',
    )
  }
  const { textTopK: topK, textTopP: topP, textTemperature: temperature, textDrafts: drafts } = chosen
  requireSeed(seed)
  const random = (index: number) => {
    const numbers = new Random(seed, first + index, 'text')
    return () => numbers.uniform()
  }
  return { sampling: { temperature, topK, topP, drafts, random }, ...limit }
}

/** Whether the settings have words drawn, and not searched for. */
export function draws({ textTopK, textTopP, textTemperature, textDrafts }: TextSettings): boolean {
  return [textTopK, textTopP, textTemperature, textDrafts].some((setting) => setting !== undefined)
}
