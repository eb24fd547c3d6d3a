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

export interface ContinueRequest {
  text: string
  language: string
  to: string
  concepts: number
  seed: number
  /** What the manifest's decoding defaults give is used for every setting left out. */
  steps?: number
  guidance?: number
  beam?: number
  conceptModel?: string
}

/** How a continuation ended, and what it cost. */
export interface ContinueResult {
  stop: StopReason
  /** The prompt as the sentences the model read. */
  sentences: string[]
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

export interface PredictRequest {
  sentences: string[]
  language: string
  seed: number
  steps?: number
  guidance?: number
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
  /** Decoding defaults of the default concept model. */
  decoding: { steps: number; guidance: number }
  device: DeviceInfo
  /** Set when the files could not be kept for the next visit; a sentence for the user. */
  storageWarning: string | null
}

/** Where concepts are predicted, or why they cannot be. */
export type DeviceInfo =
  | { gpu: true; software: boolean; description: string; features: string[]; limits: Record<string, number> }
  | { gpu: false; reason: string }
