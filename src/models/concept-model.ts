/** The next `count` numbers of N(0, 1). A model draws them in a fixed order, so the same source gives the same concept. */
export type NoiseSource = (count: number) => Float32Array

/** A look at the denoising of a concept, after each step. */
export interface DenoisingStep {
  /** Noise level the step started from, 0 … T−1. */
  timestep: number
  /** The clean concept as the model sees it now, normalised [dim]. */
  estimate: Float32Array
  /** The noisy concept handed to the next step, normalised [dim]. */
  latent: Float32Array
}

/** How a diffusion model samples a concept (reference/lcm.md §4.3). The defaults are the reference's. */
export interface DiffusionOptions {
  /** S, 1 … T. Default: T. */
  steps?: number
  /** Which noise levels S steps visit, see `inferenceTimesteps`. Default `reference`. */
  timesteps?: 'reference' | 'paper'
  /** g: 1 follows the document as it is, more exaggerates what the document changes. Default 1. */
  guidanceScale?: number
  /** r, 0 … 1: how far guided noise is brought back to the spread of unguided noise. Default 0. */
  guidanceRescale?: number
  /** Factor on the first noise. Default 1. */
  initialNoiseScale?: number
  /** Divides the noise estimate where the next latent is made. Default 1. */
  epsilonScaling?: number
  /** η, 0 … 1: 0 is deterministic (DDIM), 1 adds as much fresh noise as DDPM. Default 0. */
  eta?: number
  /** Latents are kept within ± this. Default 100. */
  clipNoise?: number
  /** Estimates are kept within ± this. Default: not clipped. */
  clipEstimate?: number
  /** Estimates are clamped to their `ratio` quantile of magnitudes, itself kept in 1 … `maximum`, and divided by it. Default: off. */
  dynamicThreshold?: { ratio: number; maximum: number }
}

/** How a concept is sampled; a model ignores the options of another family. A Quant-LCM takes `guidanceScale` too, on logits (-d) or concepts (-c). */
export interface SamplingOptions extends DiffusionOptions {
  /**
   * Standard deviation of the noise that a Base-LCM adds to its prediction in normalised space, 0 … 1000 (reference/lcm.md §2). The reference
   * adds it by default, at 1, and advises against it for models trained by squared error. Default 0: none, and none is drawn.
   *
   * In a Quant-LCM what the likelihoods of units are spread by, 0 … 1000: for -d p ∝ exp(logit / temperature), for -c p ∝ exp(−β |c − r|²) with
   * β = 1 / (temperature · dim) in normalised space (reference/lcm.md §7). Default 0: the likeliest unit, and nothing is drawn; so is less than 1e-6.
   */
  temperature?: number
  /** How many of the likeliest units of a codebook a Quant-LCM draws from, 1 … 65536. 1 draws nothing. Default: all. */
  topK?: number
}

export interface PredictOptions {
  noise: NoiseSource
  sampling?: SamplingOptions
  signal?: AbortSignal
  /** Called after every denoising step, which a Base-LCM does not have; costs one read-back a step on a GPU. */
  onStep?: (step: DenoisingStep) => void
  /**
   * Called once, before `predict` resolves, with the raw concept as the model saw it after each denoising step, [steps, dim]; the last row is the
   * predicted one. They are read back together with it. Not called by a Base-LCM or a Quant-LCM, which do not denoise.
   */
  onTrajectory?: (estimates: Float32Array) => void
}

/** A model that predicts the next concept of the document in its memory. One call at a time. */
export interface ConceptModel {
  /** Numbers in a concept. */
  readonly dim: number
  /** Concepts that the memory can hold at most. */
  readonly capacity: number
  /** Concepts in memory. */
  readonly length: number
  /**
   * Adds raw concepts [n, dim] to the memory. All of them or, after an error or an abort, none.
   * @throws InvalidInput for a size that is not n·dim, ContextFull when n more do not fit, Aborted, DeviceLost.
   */
  append(concepts: Float32Array, options?: { signal?: AbortSignal }): Promise<void>
  /**
   * The raw concept [dim] that follows those in memory, which stay as they are.
   * @throws InvalidInput for an empty memory or options out of range, Aborted, DeviceLost.
   */
  predict(options: PredictOptions): Promise<Float32Array>
  /** Forgets all concepts but the first `length`. @throws InvalidInput when there are fewer. */
  truncate(length: number): void
  /** Numbers in a row of state: all that the model keeps of one concept, the normalised concept included. */
  readonly rowWidth: number
  /**
   * The state of concepts [start, end) of the memory, [end − start, rowWidth], in one read-back; it may be called while another call runs and
   * gives the rows as they are at the call. @throws InvalidInput when there are fewer concepts, DeviceLost.
   */
  exportRows(start: number, end: number): Promise<Float32Array>
  /**
   * Adds the concepts of exported rows [n, rowWidth] that followed the very concepts now in memory: the same bits as appending them, without
   * computing them. All of them or none. @throws InvalidInput for a size that is not n·rowWidth, ContextFull when n more do not fit.
   */
  importRows(rows: Float32Array): Promise<void>
  /** A second, empty memory over the same weights. */
  fork(): ConceptModel
  /**
   * Empty memories over the same weights for several documents of up to `room` concepts each, which are continued together: as many of `documents` as
   * have a layer's keys in one binding of the GPU, and 64 at most, see `ConceptBatch.size`. Where it is missing, `ForkedBatch` does the same one document
   * after another. Its code is loaded at first need: most pages continue one document.
   */
  batch?(documents: number, room: number): Promise<ConceptBatch>
  /** Frees what this memory holds on a GPU, and the weights when no other memory uses them. */
  dispose(): void
}

/** A document of a batch whose next concept is wanted. */
export interface BatchRequest {
  /** 0 … size − 1. */
  document: number
  noise: NoiseSource
}

/** Several documents that a model continues together, each as if it were alone, to the same bits. One call at a time. */
export interface ConceptBatch {
  /** Documents there are, 1 or more. */
  readonly size: number
  /**
   * Adds the concepts of rows [n, rowWidth] that the model's own memory exported, where they followed the very concepts that the document has.
   * @throws InvalidInput for a size that is not n·rowWidth, ContextFull.
   */
  importRows(document: number, rows: Float32Array): Promise<void>
  /** Adds a raw concept [dim] to a document that something was predicted for. @throws InvalidInput, ContextFull. */
  append(document: number, concept: Float32Array): Promise<void>
  /** The raw concepts [dim] that follow those of some of the documents. @throws InvalidInput, Aborted, DeviceLost. */
  predict(requests: readonly BatchRequest[], options?: Omit<PredictOptions, 'noise' | 'onStep' | 'onTrajectory'>): Promise<Float32Array[]>
  /** Frees the GPU buffers. */
  dispose(): void
}
