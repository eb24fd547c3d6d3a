import type { StopReason } from '../models/generate'

/** Which machinery predicts concepts. `auto` takes WebGPU where there is an adapter. */
export type Backend = 'auto' | 'webgpu'

/** A generated concept, ready to show. */
export interface Concept {
  /** Position among the generated concepts, from 0. */
  index: number
  /** The concept decoded into the output language. */
  text: string
  /** FLORES-200 code of `text`. */
  language: string
  /** The concept itself, `[dim]`, in the raw (denormalised) space. */
  embedding: Float32Array
  /** Milliseconds spent predicting the vector and decoding it into text. */
  timing: { predict: number; decode: number }
}

/** How a concept is drawn from noise (reference names in parentheses). The manifest's decoding defaults hold for what is left out. */
export interface SamplingSettings {
  /** S (`inference_timesteps`): 1 to the scheduler's T. More is finer and slower. */
  steps?: number
  /** Which noise levels S steps visit: as the released code does, where S = 40 of T = 100 runs 50 steps, or exactly S as in the paper. Default `reference`. */
  timesteps?: 'reference' | 'paper'
  /** g (`guidance_scale`), 0 to 1000: how strongly the text so far guides the next concept; 1 is no guidance. */
  guidance?: number
  /** r (`guidance_rescale`), 0 to 1: how far guided noise is brought back to the spread of unguided noise. */
  guidanceRescale?: number
  /** σ_init (`initial_noise_scale`): factor on the first noise. */
  initialNoiseScale?: number
  /** λ_eps (`epsilon_scaling`): divides the noise estimate where the next latent is made. */
  epsilonScaling?: number
  /** η (`ddim_eta`), 0 to 1: fresh noise in every step. Default 0, deterministic. */
  eta?: number
}

export interface ContinueSettings extends SamplingSettings {
  concepts: number
  seed: number
  beam?: number
  conceptModel?: string
}

export interface ContinueRequest extends ContinueSettings {
  text: string
  language: string
  to: string
}

/** `to` by default: the language of the last sentence. */
export interface ContinueDocumentRequest extends ContinueSettings {
  to?: string
}

/** What can be done to a document; `open` changes nothing. */
export type DocumentChange =
  | { kind: 'open' }
  | { kind: 'append'; text: string; language: string }
  /** A text without a word removes the sentence. `language` by default: the sentence's. */
  | { kind: 'edit'; index: number; text: string; language?: string }
  /** Removes all sentences but the first `length`. */
  | { kind: 'truncate'; length: number }
  /** An empty title is none. */
  | { kind: 'rename'; title: string }
  /** Writes a copy under another name. */
  | { kind: 'fork'; as: string }
  /** `replace`: whatever the document held. */
  | { kind: 'import'; file: string; replace: boolean }
  | { kind: 'forget' }

/** A document as a page sees it. */
export interface DocumentContent {
  /** Empty when it was given none. */
  title: string
  sentences: DocumentSentence[]
}

/** A document in the list of those kept in this browser. */
export interface DocumentSummary {
  id: string
  /** Empty when it was given none. */
  title: string
  /** Its first sentence; empty when it has none. */
  beginning: string
  /** How many it has. */
  sentences: number
  /** False for a damaged one, which can only be forgotten. */
  readable: boolean
}

/** A sentence of a document. */
export interface DocumentSentence {
  text: string
  /** FLORES-200 code of `text`. */
  language: string
  /** Whether the model wrote it. */
  generated: boolean
}

/** How a continuation ended, and what it cost. */
export interface ContinueResult {
  stop: StopReason
  /** The prompt as the sentences the model read. */
  sentences: string[]
  /** Where the model's state of the prompt came from. */
  rows: RowCounts
}

/** Concepts of a prompt by where their state came from; together they are all of them. */
export interface RowCounts {
  /** Still in the model's memory from an earlier call. */
  remembered: number
  /** Read from the browser's storage. */
  restored: number
  /** Computed. */
  computed: number
}

export interface TranslateRequest {
  text: string
  from: string
  to: string
  beam?: number
}

export interface Translation {
  source: string
  text: string
}

/** One next-concept prediction with the true sentences before it as context. */
export interface TeacherForcedConcept {
  /** Index of the predicted sentence in the document, from 1. */
  index: number
  text: string
  embedding: Float32Array
  predicted: Float32Array
}

export interface PredictRequest extends SamplingSettings {
  sentences: string[]
  language: string
  seed: number
  conceptModel?: string
}

/** What a page may want to show about the loaded model and the machine under it. */
export interface ModelInfo {
  name: string
  version: string
  licence: string
  dim: number
  languages: { code: string; name: string }[]
  maxCharacters: number
  conceptModels: string[]
  defaultConceptModel: string
  /** Most concepts a document can have with the default concept model, new ones included. */
  maxConcepts: number
  /** Decoding defaults of the default concept model. */
  decoding: { steps: number; guidance: number; initialNoiseScale: number; beam: number }
  device: DeviceInfo
  /** Set when the files could not be kept for the next visit; a sentence for the user. */
  storageWarning: string | null
}

/** Where concepts are predicted, or why they cannot be. */
export type DeviceInfo =
  | { gpu: true; software: boolean; description: string; features: string[]; limits: Record<string, number> }
  | { gpu: false; reason: string }
