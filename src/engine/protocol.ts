import type { SerializedError } from '../errors'
import type { StopReason } from '../models/generate'
import type { MemorySource } from '../store/memory-chunk'

export type { MemorySource, StopReason }

/** What predicts concepts: `webgpu`, `wasm` (the processor, by ONNX Runtime), or `auto`: WebGPU where there is an adapter, else wasm. */
export type Backend = 'auto' | 'webgpu' | 'wasm'

/** A generated concept, ready to show. */
export interface Concept {
  /** Position among the generated concepts, from 0. */
  index: number
  /** The concept decoded into the output language. */
  text: string
  /** FLORES-200 code of `text`. */
  language: string
  /** The concept as it stands in the document, `[dim]`, in the raw (denormalised) space: the prediction, or with `reread` the vector of `text`. */
  embedding: Float32Array
  /**
   * Where `trajectory` asked for it and the concept model denoises: the concept as the model saw it after each denoising step, `[steps, dim]`
   * row-major, raw space, from the first guess out of noise to the prediction, its last row; that is `embedding` unless `reread` was on.
   */
  trajectory?: Float32Array
  /** Milliseconds spent predicting the vector and decoding it into text; with `reread`, `decode` includes reading it again. */
  timing: { predict: number; decode: number }
  /** With the first concept only, where any were recalled: see `ContinueResult.recalled`. */
  recalled?: RememberedConcept[]
}

/** Most results of one search of the concept memory. */
export const mostResults = 1000

/** A sentence of the concept memory that was found. */
export interface RememberedConcept {
  text: string
  /** FLORES-200 code of `text`. */
  language: string
  /** `[dim]`, raw space. */
  embedding: Float32Array
  /** Cosine with what was searched for, −1 to 1: the highest, where that had several sentences. */
  score: number
  /** Where it comes from, and which of the sentences there it is, from 0. */
  source: MemorySource & { index: number }
}

/**
 * How a concept is sampled. Each family of concept models has settings of its own: `ConceptModelInfo.settings` has those of a model, and any other
 * is refused with `InvalidInput`. The manifest's decoding defaults hold for what is left out.
 */
export interface SamplingSettings extends Partial<DiffusionSettings>, Partial<BaseLcmSettings>, Partial<QuantLcmSettings> {}

/** How a diffusion model, Two-Tower or One-Tower, draws a concept from noise (reference names in parentheses). */
export interface DiffusionSettings {
  /** S (`inference_timesteps`): 1 to the scheduler's T. More is finer and slower. */
  steps: number
  /** Which noise levels S steps visit: as the released code does, where S = 40 of T = 100 runs 50 steps, or exactly S as in the paper. Default `reference`. */
  timesteps: 'reference' | 'paper'
  /** g (`guidance_scale`), 0 to 1000: how strongly the text so far guides the next concept; 1 is no guidance. */
  guidance: number
  /** r (`guidance_rescale`), 0 to 1: how far guided noise is brought back to the spread of unguided noise. */
  guidanceRescale: number
  /** σ_init (`initial_noise_scale`): factor on the first noise. */
  initialNoiseScale: number
  /** λ_eps (`epsilon_scaling`): divides the noise estimate where the next latent is made. */
  epsilonScaling: number
  /** η (`ddim_eta`), 0 to 1: fresh noise in every step. Default 0, deterministic. */
  eta: number
}

/** How a Base-LCM turns its prediction into a concept. */
export interface BaseLcmSettings {
  /** Standard deviation of the noise added to the prediction in normalised space (`lcm_temperature`), 0 to 1000; 0 adds none. */
  temperature: number
}

/** How a Quant-LCM chooses a unit of each codebook. */
export interface QuantLcmSettings {
  /** g, 0 to 1000: how strongly the text so far guides the choice; 1 is no guidance. */
  guidance: number
  /**
   * 0 to 1000; 0 takes the likeliest unit. Quant-LCM-d divides its logits by it, Quant-LCM-c the squared distances of centroids in normalised space by
   * it times the number of dimensions, which is about the squared length of a concept there.
   */
  temperature: number
  /** How many of the likeliest units are drawn from, 1 to 65536. */
  topK: number
}

/**
 * How concepts are put into words: by beam search, or, where `textTopK`, `textTopP`, `textTemperature` or `textDrafts` is given, by drawing one token
 * after another with the call's `seed` (same seed, same device: same text). `InvalidInput` for `beam` or `nearest` together with one of them. Without
 * any of the six `continue` does as the concept model's manifest says, `ConceptModelInfo.text`, and everything else searches as the space's says.
 */
export interface TextSettings {
  /** Beam size, 1 (greedy) to 64. Default: the model's. */
  beam?: number
  /**
   * Whether each sentence that the beam has found is read again by the encoder, and the one kept whose log-probability per token less ln of its
   * vector's distance is highest, not whose log-probability is: what is written leads back to the concept. Where the best comes near but not back,
   * the search runs again on the far side of it, four times at most. Default: the model's way.
   */
  nearest?: boolean
  /** Draws from the `textTopK` likeliest tokens only, 1 or more. Default: from all. */
  textTopK?: number
  /** Draws from the nucleus only: the likeliest tokens whose probability together exceeds `textTopP`, 0 to 1; with `textTopK`, of those. Default: from all. */
  textTopP?: number
  /**
   * What the logits are divided by, above 0 to 100: below 1 likely words become likelier, above 1 all become more alike. Default 1. `temperature`
   * and `topK` of a concept model are another thing: they choose the concept, these its words.
   */
  textTemperature?: number
  /**
   * How many sentences are drawn for each concept, 1 to 64; the one with the highest log-probability over the square root of its number of tokens is
   * kept. Where a text is continued, of those with the fewest faults: to say again what the text has said (three words in a row, or all of fewer) is
   * two; a name inside that the text does not have, the first two words of one of its last four sentences and speech after speech are one each.
   * Default 1.
   */
  textDrafts?: number
  /** Longest sentence in tokens, special tokens included, from 3. Default and most: the model's limit. */
  maxTokens?: number
}

export interface DecodeRequest extends TextSettings {
  language: string
  seed: number
}

export interface ContinueSettings extends SamplingSettings, TextSettings {
  concepts: number
  seed: number
  conceptModel?: string
  recall?: number
  trajectory?: boolean
  /**
   * Whether the text goes on from what each new sentence says: it is read again by the encoder, as the sentences of the training texts were, and its
   * vector takes the place of the prediction that it was put into words from. The reference goes on from the prediction. A model that names a language
   * for it has every prediction put into words of that language first; a text in another one says what was read, in its likeliest words, or by
   * `beam`. Default: the model's.
   */
  reread?: boolean
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

/** A text, as one or as its sentences, or a document, to be summarised. `to` by default: the language of the last sentence. */
export interface SummarizeRequest extends SamplingSettings, TextSettings {
  of: { text: string | string[]; language: string } | { document: string }
  ratio: number
  to?: string
  seed: number
  conceptModel?: string
}

/** Several texts continued together, each `samples` times: sample k of a text with the seed `seed + k`. */
export interface ContinueManyRequest extends Omit<ContinueSettings, 'recall' | 'trajectory'> {
  texts: string[]
  samples: number
  language: string
  to: string
}

/** A generated concept of one of several texts. `timing` is that of all concepts made together with it. */
export interface ConceptOfMany extends Omit<Concept, 'recalled' | 'trajectory'> {
  /** Index of the text. */
  document: number
  /** 0 … samples − 1. */
  sample: number
}

/** How the continuation of one of several texts ended. */
export interface ContinuedDocument extends Omit<ContinueResult, 'recalled'> {
  /** Index of the text. */
  document: number
  /** 0 … samples − 1. */
  sample: number
}

/** What can be done to a document; `open` changes nothing but what is remembered of it. */
export type DocumentChange =
  | { kind: 'open'; remember?: boolean }
  | { kind: 'append'; text: string; language: string }
  /** A text without a word removes the sentence. `language` by default: the sentence's. `seen`: the sentence that the caller knows there. */
  | { kind: 'edit'; index: number; text: string; language?: string; seen: DocumentSentence | null }
  /** Removes all sentences but the first `length`; `seen`: those from there on that the caller knows. */
  | { kind: 'truncate'; length: number; seen: DocumentSentence[] }
  /** An empty title is none. */
  | { kind: 'rename'; title: string }
  /** Writes a copy under another name. */
  | { kind: 'fork'; as: string }
  /** `replace`: what the caller knows of the document, which the file's sentences replace; without it the document has to be empty. */
  | { kind: 'import'; file: string; replace?: DocumentSentence[] }
  | { kind: 'forget' }

/** The BroadcastChannel that says, by its name, which document was changed. */
export const documentNews = 'noema-documents'

/** A document as a page sees it. */
export interface DocumentContent {
  /** Empty when it was given none. */
  title: string
  sentences: DocumentSentence[]
  /** Whether its sentences are in the concept memory. */
  remembered: boolean
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
  /** What the concept memory put before the prompt, the most like it first; the model read them in the reverse order. */
  recalled: RememberedConcept[]
  /** Where the model's state of the prompt, and of what was recalled before it, came from. */
  rows: RowCounts
}

/** How a summary ended, and what it cost. */
export interface SummaryResult {
  stop: StopReason
  /** The text as the sentences the model read. */
  sentences: string[]
  /** Where the model's state of the text, and of the sentence that asks for a summary after it, came from. */
  rows: RowCounts
  /** How many of the text's sentences cost nothing, because their state was there from an earlier call or visit: 0 to all of them. */
  reused: number
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

export interface TranslateRequest extends TextSettings {
  text: string
  from: string
  to: string
  seed: number
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
  /** How `decode`, `translate` and readings in another language search for words where a call says nothing of it: see `TextSettings`. */
  decoding: { beam: number; nearest: boolean }
  /** By name, as `conceptModel` takes it. None in a folder that has a space only. */
  conceptModels: Record<string, ConceptModelInfo>
  /** A key of `conceptModels`; empty where there are none. */
  defaultConceptModel: string
  device: DeviceInfo
  storage: StorageInfo
}

/** What the browser keeps of the model for the next visit. */
export interface StorageInfo {
  /** Whether all of the model's files are stored. */
  stored: boolean
  /**
   * Whether the browser has promised not to remove them when it runs out of room. It is asked once, when a model is stored, and some browsers ask
   * their user: this may become true later.
   */
  persistent: boolean
  /**
   * Why the files could not be stored, or why an older version is used; the message is for the user. Codes: `quota-exceeded`, whose details are
   * the bytes `needed` and `available` (null where the browser does not say), `storage-unavailable`, `download-failed`.
   */
  warning: SerializedError | null
}

/** A concept model of the folder. */
export type ConceptModelInfo = {
  /** Most concepts a document can have with it, new ones included. */
  maxConcepts: number
  /** Beam size with which its concepts are decoded where the caller names none. */
  beam: number
  /** Whether texts go on from what its sentences say, where the caller does not choose: see `ContinueOptions.reread`. */
  reread: boolean
  /** How `continue` draws the words of its concepts where the caller says nothing of words. Without it, by beam search. */
  text?: Pick<TextSettings, 'textTopK' | 'textTopP' | 'textTemperature' | 'textDrafts'>
  /** The English sentence that its summaries follow. Without it the model has not learnt to summarise. */
  summaryPrompt?: string
} & (
  | { family: 'two_tower' | 'one_tower' /** All that apply, with their defaults. */; settings: DiffusionSettings }
  | { family: 'base_lcm' /** All that apply, with their defaults. */; settings: BaseLcmSettings }
  | { family: 'quant_lcm_c' | 'quant_lcm_d' /** All that apply, with their defaults. */; settings: QuantLcmSettings }
)

/** What predicts concepts: a GPU, or the processor on so many threads, with why that and no GPU. */
export type DeviceInfo =
  | { backend: 'webgpu'; software: boolean; description: string; features: string[]; limits: Record<string, number> }
  | { backend: 'wasm'; threads: number; reason: string }
