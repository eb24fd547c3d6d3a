import type { Field } from './field'

/** A concept model of a model folder; the keys of `architecture` and `scheduler` are the reference's (lcm.md §§2-4, 6, 7). */
export type ConceptModelManifest = TwoTowerManifest | OneTowerManifest | BaseLcmManifest | QuantLcmManifest

/** A Two-Tower diffusion concept model. */
export interface TwoTowerManifest extends DiffusionManifest {
  family: 'two_tower'
  architecture: TwoTowerArchitecture
}

/** A One-Tower diffusion concept model. */
export interface OneTowerManifest extends DiffusionManifest {
  family: 'one_tower'
  architecture: OneTowerArchitecture
}

interface CommonManifest {
  file: string
  /**
   * The sentence, in English, that a document's summary followed in training; the summary ended with the end of text. None where the model has not
   * learnt to summarise.
   */
  summaryPrompt?: string
}

interface DiffusionManifest extends CommonManifest {
  scheduler: {
    num_diffusion_train_steps: number
    beta_schedule: (typeof betaSchedules)[number]
    rescale_betas_zero_snr: boolean
    timestep_spacing: (typeof timestepSpacings)[number]
    prediction_type: (typeof predictionTypes)[number]
    beta_start?: number
    beta_end?: number
    sigmoid_schedule_alpha?: number
    sigmoid_schedule_beta?: number
  }
  /** Defaults a caller may override. */
  decoding: CommonDecoding & {
    steps: number
    guidanceScale: number
    guidanceRescale: number
    initialNoiseScale: number
    epsilonScaling: number
  }
}

/** A Base-LCM: its prediction is the next concept. */
export interface BaseLcmManifest extends CommonManifest {
  family: 'base_lcm'
  architecture: BaseLcmArchitecture
  /** Defaults a caller may override. */
  decoding: CommonDecoding & {
    /** Whether noise is added to the prediction (`sample_latent_variable`). */
    sample: boolean
    /** Standard deviation of that noise in normalised space (`lcm_temperature`), 0 to 1000. */
    temperature: number
  }
}

/** A Quant-LCM: it refines a concept codebook by codebook, -d by predicting units, -c by regressing the concept and taking near centroids. */
export interface QuantLcmManifest extends CommonManifest {
  family: QuantLcmFamily
  architecture: QuantLcmArchitecture
  /** Defaults a caller may override. */
  decoding: CommonDecoding & {
    guidanceScale: number
    /** 0 to 1000; 0 takes the best unit. */
    temperature: number
    /** Units that may be drawn, 1 to 65536. */
    topK: number
  }
}

export type QuantLcmFamily = 'quant_lcm_c' | 'quant_lcm_d'

/** What ends a document, and how its concepts are turned into text. */
interface CommonDecoding {
  /** Cosine similarity to the end-of-text concept from which a document ends. */
  endOfTextThreshold: number
  /** Cosine similarity to the previous concept from which a document ends. */
  stopOnRepetitionThreshold: number
  beam: number
  /**
   * FLORES-200 code of the language, that of the training texts, in which predictions are put into words and read again by the encoder: the document
   * goes on from what is read, and so does a text in another language. Without it a document goes on from its predictions, as the reference does.
   */
  reread?: string
  /**
   * How the words of a concept are drawn where the caller says nothing of words: temperature (0.01 to 100), nucleus and number of drafts, of which
   * the best is kept (1 to 64, `TextSettings.textDrafts`). Without `text` words are found by beam search.
   */
  text?: { temperature: number; topP: number; drafts: number }
}

interface CommonArchitecture {
  sonar_dim: number
  model_dim: number
  heads: number
  ffn_inner: number
  /** Most concepts in a document. */
  max_seq_len: number
}

export interface TwoTowerArchitecture extends CommonArchitecture {
  context_layers: number
  denoiser_layers: number
}

export interface OneTowerArchitecture extends CommonArchitecture {
  layers: number
  /** Numbers in the embedding of a timestep, which is joined to each concept. */
  timestep_embed_dim: number
}

export interface BaseLcmArchitecture extends CommonArchitecture {
  layers: number
}

export interface QuantLcmArchitecture extends CommonArchitecture {
  layers: number
  /** Numbers in the embedding of how many codebooks are in a sum, which is joined to it. */
  codebook_embed_dim: number
  n_codebooks: number
  n_units_per_codebook: number
}

/** Most units in a codebook, and most that may be chosen among. */
export const mostUnits = 65_536

const families = ['two_tower', 'base_lcm', 'one_tower', 'quant_lcm_c', 'quant_lcm_d'] as const
const betaSchedules = ['squaredcos_cap_v2', 'linear', 'scaled_linear', 'sigmoid'] as const
const timestepSpacings = ['trailing', 'leading', 'linspace'] as const
const predictionTypes = ['sample', 'epsilon', 'v_prediction'] as const

/**
 * @param files those that the manifest lists
 * @param dim of the space
 * @throws ModelFormatError naming the first field that is wrong; a family that is not known is one.
 */
export function parseConceptModel(model: Field, files: Record<string, unknown>, dim: number): ConceptModelManifest {
  const family = model.at('family').oneOf(families)
  if (family === 'base_lcm') return parseBaseLcm(model, files, dim)
  if (family === 'quant_lcm_c' || family === 'quant_lcm_d') return parseQuantLcm(family, model, files, dim)
  const architecture = model.at('architecture')
  const sizes = parseSizes(architecture, dim)
  const diffusion = parseDiffusion(model, files)
  if (family === 'one_tower') {
    const timestepDim = architecture.at('timestep_embed_dim').integer(1, 65_536)
    const layers = architecture.at('layers').integer(1, 1024)
    return { family, ...diffusion, architecture: { ...sizes, layers, timestep_embed_dim: timestepDim } }
  }
  const contextLayers = architecture.at('context_layers').integer(1, 1024)
  const denoiserLayers = architecture.at('denoiser_layers').integer(1, 1024)
  return { family, ...diffusion, architecture: { ...sizes, context_layers: contextLayers, denoiser_layers: denoiserLayers } }
}

function parseDiffusion(model: Field, files: Record<string, unknown>): DiffusionManifest {
  const scheduler = model.at('scheduler')
  const trainSteps = scheduler.at('num_diffusion_train_steps').integer(1, 100_000)
  const decoding = model.at('decoding')
  return {
    ...parseCommon(model, files),
    scheduler: {
      num_diffusion_train_steps: trainSteps,
      beta_schedule: scheduler.at('beta_schedule').oneOf(betaSchedules),
      rescale_betas_zero_snr: scheduler.at('rescale_betas_zero_snr').oneOf([true, false]),
      timestep_spacing: scheduler.at('timestep_spacing').oneOf(timestepSpacings),
      prediction_type: scheduler.at('prediction_type').oneOf(predictionTypes),
      ...scheduler.optionalNumbers(['beta_start', 'beta_end', 'sigmoid_schedule_alpha', 'sigmoid_schedule_beta']),
    },
    decoding: {
      steps: decoding.at('steps').integer(1, trainSteps),
      guidanceScale: decoding.at('guidanceScale').number(0, 1000),
      guidanceRescale: decoding.at('guidanceRescale').number(0, 1),
      initialNoiseScale: decoding.at('initialNoiseScale').number(0, 1000),
      epsilonScaling: decoding.at('epsilonScaling').number(0.01, 100),
      ...parseCommonDecoding(decoding),
    },
  }
}

function parseBaseLcm(model: Field, files: Record<string, unknown>, dim: number): BaseLcmManifest {
  const architecture = model.at('architecture')
  const decoding = model.at('decoding')
  return {
    family: 'base_lcm',
    ...parseCommon(model, files),
    architecture: { ...parseSizes(architecture, dim), layers: architecture.at('layers').integer(1, 1024) },
    decoding: {
      sample: decoding.at('sample').oneOf([true, false]),
      temperature: decoding.at('temperature').number(0, 1000),
      ...parseCommonDecoding(decoding),
    },
  }
}

function parseQuantLcm(family: QuantLcmFamily, model: Field, files: Record<string, unknown>, dim: number): QuantLcmManifest {
  const architecture = model.at('architecture')
  const decoding = model.at('decoding')
  return {
    family,
    ...parseCommon(model, files),
    architecture: {
      ...parseSizes(architecture, dim),
      layers: architecture.at('layers').integer(1, 1024),
      codebook_embed_dim: architecture.at('codebook_embed_dim').integer(1, 65_536),
      n_codebooks: architecture.at('n_codebooks').integer(1, 1024),
      n_units_per_codebook: architecture.at('n_units_per_codebook').integer(1, mostUnits),
    },
    decoding: {
      guidanceScale: decoding.at('guidanceScale').number(0, 1000),
      temperature: decoding.at('temperature').number(0, 1000),
      topK: decoding.at('topK').integer(1, mostUnits),
      ...parseCommonDecoding(decoding),
    },
  }
}

function parseCommon(model: Field, files: Record<string, unknown>): CommonManifest {
  return { file: model.at('file').file(files), ...model.optional('summaryPrompt', (prompt) => prompt.matching(/[\p{L}\p{N}]/u)) }
}

function parseSizes(architecture: Field, dim: number): CommonArchitecture {
  const modelDim = architecture.at('model_dim').integer(1, 65_536)
  const heads = architecture.at('heads').integer(1, 1024)
  if (modelDim % (2 * heads) !== 0) throw architecture.at('heads').wrong('must divide model_dim into even parts')
  if (architecture.at('sonar_dim').integer(1) !== dim) throw architecture.at('sonar_dim').wrong(`must be the space's dim, ${dim}`)
  return {
    sonar_dim: dim,
    model_dim: modelDim,
    heads,
    ffn_inner: architecture.at('ffn_inner').integer(1, 1_048_576),
    max_seq_len: architecture.at('max_seq_len').integer(1, 1_048_576),
  }
}

function parseCommonDecoding(decoding: Field): CommonDecoding {
  return {
    endOfTextThreshold: decoding.at('endOfTextThreshold').number(-1, 2),
    stopOnRepetitionThreshold: decoding.at('stopOnRepetitionThreshold').number(-1, 2),
    beam: decoding.at('beam').integer(1, 64),
    ...decoding.optional('reread', (language) => language.text()),
    ...decoding.optional('text', (text) => ({
      temperature: text.at('temperature').number(0.01, 100),
      topP: text.at('topP').number(0, 1),
      drafts: text.at('drafts').integer(1, 64),
    })),
  }
}
