import type { ContinueSessionOptions, Noema, SummarizeSessionOptions } from '../api'

type ModelInfo = Noema['info']

/** How the next sentences are made. */
export interface Dials {
  /** One of the model folder's concept models. */
  conceptModel: string
  /** FLORES-200 code of the new sentences; empty: the language of the last sentence. */
  to: string
  concepts: number
  seed: number
  steps: number
  guidance: number
  initialNoiseScale: number
  temperature: number
  beam: number
  /** Remembered sentences put before the text at most. */
  recall: number
}

export type Preset = 'careful' | 'balanced' | 'bold'

export const presets: readonly Preset[] = ['careful', 'balanced', 'bold']

/** The dials that are numbers, in the order in which they are shown. */
export const ranges = {
  concepts: { min: 1, max: 50, step: 1 },
  seed: { min: 0, max: 999_999, step: 1 },
  steps: { min: 1, max: 100, step: 1 },
  guidance: { min: 0, max: 10, step: 0.1 },
  initialNoiseScale: { min: 0, max: 3, step: 0.05 },
  temperature: { min: 0, max: 2, step: 0.05 },
  beam: { min: 1, max: 16, step: 1 },
  recall: { min: 0, max: 50, step: 1 },
} satisfies Partial<Record<keyof Dials, { min: number; max: number; step: number }>>

export type NumberDial = keyof typeof ranges

const presetNames = ['steps', 'guidance', 'initialNoiseScale', 'temperature', 'beam'] as const

type SamplingDial = Exclude<(typeof presetNames)[number], 'beam'>

/** What a concept model brings along: a sampling dial that is not in `settings` does not apply to it. */
interface ModelDials {
  beam: number
  /** Where the words of its concepts are drawn. */
  text?: unknown
  settings: Partial<Record<SamplingDial, number>>
}

/** The one place where dials meet the model's description. */
function modelDials(info: ModelInfo, conceptModel: string): ModelDials {
  return info.conceptModels[conceptModel] ?? info.conceptModels[info.defaultConceptModel] ?? { beam: firstDials.beam, settings: {} }
}

export function conceptModels(info: ModelInfo): string[] {
  return Object.keys(info.conceptModels)
}

/** The dials of a first visit, before a model is there to say what suits it. */
export const firstDials: Dials = {
  conceptModel: '',
  to: '',
  concepts: 5,
  seed: 1,
  steps: 10,
  guidance: 1,
  initialNoiseScale: 1,
  temperature: 0,
  beam: 5,
  recall: 0,
}

/** Balanced is the model's own defaults; the others start from them. */
export function presetOf(info: ModelInfo, conceptModel: string, preset: Preset): Pick<Dials, (typeof presetNames)[number]> {
  const { beam, settings } = modelDials(info, conceptModel)
  const { steps, guidance, initialNoiseScale, temperature } = { ...firstDials, ...settings }
  switch (preset) {
    case 'careful':
      return clamped({
        steps: 2 * steps,
        guidance,
        initialNoiseScale: 0.5 * initialNoiseScale,
        temperature: 0.5 * temperature,
        beam: 2 * beam,
      })
    case 'balanced':
      return { steps, guidance, initialNoiseScale, temperature, beam }
    case 'bold':
      return clamped({ steps, guidance, initialNoiseScale: 1.25 * initialNoiseScale, temperature: 1.5 * temperature, beam })
  }
}

/** The preset that the dials stand on, if any. */
export function matchingPreset(info: ModelInfo, dials: Dials): Preset | undefined {
  return presets.find((preset) => {
    const values = presetOf(info, dials.conceptModel, preset)
    return presetNames.every((name) => values[name] === dials[name] || !applies(info, dials.conceptModel, name))
  })
}

/** Whether the concept model heeds a dial. */
export function applies(info: ModelInfo, conceptModel: string, name: NumberDial): boolean {
  return isSamplingDial(name) ? modelDials(info, conceptModel).settings[name] !== undefined : true
}

/** Whether the concept model draws its concepts from noise, step by step. */
export function denoises(info: ModelInfo, conceptModel: string): boolean {
  return applies(info, conceptModel, 'steps')
}

/** Whether the concept model has learnt to summarise. */
export function summarizes(info: ModelInfo, conceptModel: string): boolean {
  return info.conceptModels[conceptModel]?.summaryPrompt !== undefined
}

/** What `Session.summarize` is asked for; the temperature is left to its default, which is none for a Base-LCM. */
export function summaryOptions(info: ModelInfo, dials: Dials): SummarizeSessionOptions {
  const {
    concepts: _concepts,
    recall: _recall,
    trajectory: _trajectory,
    temperature: _temperature,
    ...options
  } = continueOptions(info, dials)
  return options
}

/** What `Session.continue` is asked for: only what the concept model takes, and the way of the denoising to be shown. */
export function continueOptions(info: ModelInfo, dials: Dials): ContinueSessionOptions {
  const { conceptModel, to, concepts, seed, beam, recall } = dials
  const { text, beam: usual } = modelDials(info, conceptModel)
  const sampling = presetNames
    .filter((name) => isSamplingDial(name) && applies(info, conceptModel, name))
    .map((name) => [name, dials[name]])
  const trajectory = denoises(info, conceptModel)
  return {
    conceptModel,
    concepts,
    seed,
    // Where the model draws its words, its usual beam leaves it at that.
    ...(!(text && beam === usual) && { beam }),
    ...(to && { to }),
    ...(recall > 0 && { recall }),
    ...(trajectory && { trajectory }),
    ...Object.fromEntries(sampling),
  }
}

/** A number typed by the visitor, brought to the nearest that the dial has. */
export function fitToDial(name: NumberDial, value: number): number {
  const { min, max, step } = ranges[name]
  const fitted = Math.min(max, Math.max(min, Number.isFinite(value) ? value : min))
  return Number((Math.round(fitted / step) * step).toFixed(4))
}

function clamped<T extends Partial<Record<NumberDial, number>>>(dials: T): T {
  return Object.fromEntries(Object.entries(dials).map(([name, value]) => [name, fitToDial(name as NumberDial, value)])) as T
}

function isSamplingDial(name: NumberDial): name is SamplingDial {
  return name === 'steps' || name === 'guidance' || name === 'initialNoiseScale' || name === 'temperature'
}
