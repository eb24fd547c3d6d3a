import { InvalidInput } from '../errors'
import type { ConceptModelManifest } from '../formats/concept-model-manifest'
import type { SamplingOptions } from '../models/concept-model'
import type { ConceptModelInfo, SamplingSettings } from './protocol'

/** What a page is told of a concept model. */
export function describeConceptModel(manifest: ConceptModelManifest): ConceptModelInfo {
  const { architecture, decoding, summaryPrompt } = manifest
  const common = {
    maxConcepts: architecture.max_seq_len,
    beam: decoding.beam,
    reread: decoding.reread !== undefined,
    ...(decoding.text && { text: textOf(manifest) }),
    ...(summaryPrompt !== undefined && { summaryPrompt }),
  }
  if (manifest.family === 'base_lcm') {
    const { sample, temperature } = manifest.decoding
    return { family: 'base_lcm', ...common, settings: { temperature: sample ? temperature : 0 } }
  }
  if (manifest.family === 'two_tower' || manifest.family === 'one_tower') {
    const { steps, guidanceScale, guidanceRescale, initialNoiseScale, epsilonScaling } = manifest.decoding
    return {
      family: manifest.family,
      ...common,
      settings: { steps, timesteps: 'reference', guidance: guidanceScale, guidanceRescale, initialNoiseScale, epsilonScaling, eta: 0 },
    }
  }
  const { guidanceScale: guidance, temperature, topK } = manifest.decoding
  return { family: manifest.family, ...common, settings: { guidance, temperature, topK } }
}

/** How a concept model's words are drawn where a call says nothing of words. */
export function textOf({ decoding: { text } }: ConceptModelManifest): ConceptModelInfo['text'] {
  return text && { textTemperature: text.temperature, textTopP: text.topP, textDrafts: text.drafts }
}

/**
 * What a caller's settings mean for a concept model, its defaults for what is left out.
 * @throws InvalidInput for a setting that the model's family does not have.
 */
export function samplingOptions(manifest: ConceptModelManifest, given: SamplingSettings): SamplingOptions {
  const { family, settings: defaults } = describeConceptModel(manifest)
  const foreign = settingNames.find((name) => given[name] !== undefined && !(name in defaults))
  if (foreign) {
    const taken = Object.keys(defaults).join(', ')
    throw new InvalidInput(
      `The setting ${foreign} does not apply to a ${familyNames[family]} concept model, which takes ${taken}: leave it out or choose another concept model.`,
      { name: foreign, family },
    )
  }
  const chosen = Object.entries(defaults).map(([name, absent]) => [name, given[name as keyof SamplingSettings] ?? absent])
  const { guidance: guidanceScale, ...options }: SamplingSettings = Object.fromEntries(chosen)
  return guidanceScale === undefined ? options : { ...options, guidanceScale }
}

const familyNames = {
  two_tower: 'Two-Tower',
  one_tower: 'One-Tower',
  base_lcm: 'Base-LCM',
  quant_lcm_c: 'Quant-LCM-c',
  quant_lcm_d: 'Quant-LCM-d',
}

const settingNames: (keyof SamplingSettings)[] = [
  'steps',
  'timesteps',
  'guidance',
  'guidanceRescale',
  'initialNoiseScale',
  'epsilonScaling',
  'eta',
  'temperature',
  'topK',
]
