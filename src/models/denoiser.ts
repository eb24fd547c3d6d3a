import type { Gpu, Program, Tensor } from '../gpu'
import type { Kernels } from './kernels'
import { KeyValueCache } from './key-value-cache'
import type { DenoisingNetwork } from './sampler'
import type { StateColumn } from './state-rows'
import type { FeedForward, ModelWeights, Projection } from './weights'

export interface DenoiserArchitecture {
  /** Numbers in a concept. */
  sonarDim: number
  /** d: width of the model, the same as the contextualizer's. */
  modelDim: number
  heads: number
  layers: number
  /** f: inner width of the feed-forward layers. */
  ffnInner: number
}

export interface DenoiserWeights {
  architecture: DenoiserArchitecture
  initialProjection: Projection
  layers: DenoiserLayer[]
  norm: Tensor
  finalProjection: Projection
}

interface DenoiserLayer {
  selfAttentionNorm: Tensor
  selfAttentionValue: Projection
  selfAttentionOutput: Projection
  crossAttentionNorm: Tensor
  query: Projection
  key: Projection
  value: Projection
  /** The biases of key and value once more, on the CPU: the zero vector's key and value, and what attention to it alone gives. */
  keyBias: Float32Array
  valueBias: Float32Array
  crossAttentionOutput: Projection
  feedForwardNorm: Tensor
  feedForward: FeedForward
}

/** @throws ModelFormatError. The query and key projections of self-attention are not needed and need not be there. */
export function loadDenoiser(weights: ModelWeights, architecture: DenoiserArchitecture): DenoiserWeights {
  const { sonarDim, modelDim, ffnInner } = architecture
  const square = (name: string) => weights.projection(name, modelDim, modelDim)
  const layer = (index: number): DenoiserLayer => {
    const name = `denoiser.layers.${index}`
    return {
      selfAttentionNorm: weights.vector(`${name}.self_attn_layer_norm.weight`, modelDim),
      selfAttentionValue: square(`${name}.self_attn.v_proj`),
      selfAttentionOutput: square(`${name}.self_attn.output_proj`),
      crossAttentionNorm: weights.vector(`${name}.cross_attention_layer_norm.weight`, modelDim),
      query: square(`${name}.cross_attention.q_proj`),
      key: square(`${name}.cross_attention.k_proj`),
      value: square(`${name}.cross_attention.v_proj`),
      keyBias: weights.values(`${name}.cross_attention.k_proj.bias`, modelDim),
      valueBias: weights.values(`${name}.cross_attention.v_proj.bias`, modelDim),
      crossAttentionOutput: square(`${name}.cross_attention.output_proj`),
      feedForwardNorm: weights.vector(`${name}.ffn_layer_norm.weight`, modelDim),
      feedForward: weights.feedForward(`${name}.ffn`, modelDim, ffnInner),
    }
  }
  return {
    architecture,
    initialProjection: weights.projection('denoiser.initial_proj.fc', modelDim, sonarDim),
    layers: Array.from({ length: architecture.layers }, (_, index) => layer(index)),
    norm: weights.vector('denoiser.layer_norm.weight', modelDim),
    finalProjection: weights.projection('denoiser.final_proj.fc', sonarDim, modelDim),
  }
}

/**
 * The denoiser of the Two-Tower model (reference/lcm.md §3.3), with the cross-attention keys and values of one document, or of several.
 * It uses exact shortcuts: (a) self-attention over one key is output(value(h)); (b) attention to the zero vector alone is the value bias, so the
 * unconditional row of `attended` holds it from the start; (c) modulation is a table over the steps; (d) the context's keys and values are cached.
 */
export class Denoiser implements DenoisingNetwork {
  readonly latent: Tensor
  readonly prediction: Tensor
  readonly #gpu: Gpu
  readonly #weights: DenoiserWeights
  readonly #kernels: Kernels
  readonly #cursor: Tensor
  /** Of each document, row 0 belongs to the zero vector in front of the context: its key and value are the biases. Row n + 1 belongs to concept n. */
  readonly #caches: KeyValueCache[]
  /** Per layer the output of cross-attention [2 · documents, d]. */
  readonly #attended: Tensor[]
  readonly #scratch: { hidden: Tensor; normed: Tensor; value: Tensor; query: Tensor; inner: Tensor }

  /** @param rows concepts of a document that there is room for at first */
  constructor(gpu: Gpu, kernels: Kernels, weights: DenoiserWeights, cursor: Tensor, rows: number, documents = 1) {
    const { sonarDim, modelDim, ffnInner } = weights.architecture
    this.#gpu = gpu
    this.#weights = weights
    this.#kernels = kernels
    this.#cursor = cursor
    this.#caches = weights.layers.map(({ keyBias, valueBias }, index) => {
      const cache = new KeyValueCache(gpu, `denoiser layer ${index}`, documents * (rows + 1), modelDim)
      for (let document = 0; document < documents; document++) {
        gpu.write(cache.keys, keyBias, document * (rows + 1) * modelDim)
        gpu.write(cache.values, valueBias, document * (rows + 1) * modelDim)
      }
      return cache
    })
    this.#attended = weights.layers.map(() => gpu.tensor('denoiser attended', [2 * documents, modelDim]))
    this.latent = gpu.tensor('latent', [documents, sonarDim])
    this.prediction = gpu.tensor('prediction', [2 * documents, sonarDim])
    this.#scratch = {
      hidden: gpu.tensor('denoiser hidden', [2 * documents, modelDim]),
      normed: gpu.tensor('denoiser normed', [2 * documents, modelDim]),
      value: gpu.tensor('denoiser value', [2 * documents, modelDim]),
      query: gpu.tensor('denoiser query', [documents, modelDim]),
      inner: gpu.tensor('denoiser inner', [2 * documents, ffnInner]),
    }
  }

  /**
   * Records one pass at step `cursor.step`: `latent` → `prediction`, with the first `cursor.contextLength` cache rows of each document in view.
   *
   * @param rowsEach 2 to compute the unconditional rows as well
   * @param modulation per layer the table [steps, 9d] of `modulationTables`
   * @param documents how many concepts are denoised at once
   */
  recordStep(program: Program, rowsEach: 1 | 2, modulation: readonly Tensor[], documents = 1): void {
    const { linear, rmsNorm, attention, swiGlu } = this.#kernels
    const { initialProjection, layers, norm, finalProjection, architecture } = this.#weights
    const { hidden, normed, value, query, inner } = this.#scratch
    const { latent, prediction } = this
    const { modelDim, heads } = architecture
    const cursor = this.#cursor
    const rows = rowsEach * documents
    if (rowsEach === 2) this.#placeUnconditional(documents)

    linear.record(program, { input: latent, inputRows: documents, ...initialProjection, output: hidden, rows })
    for (const [index, layer] of layers.entries()) {
      const { keys, values } = this.#caches[index]!
      const attended = this.#attended[index]!
      const table = modulation[index]!
      const modulate = (part: number) => ({ table, cursor, shift: 3 * part * modelDim, scale: (3 * part + 1) * modelDim })
      const gate = (part: number) => ({ table, cursor, offset: (3 * part + 2) * modelDim })

      rmsNorm.record(program, { input: hidden, weight: layer.selfAttentionNorm, output: normed, rows, modulation: modulate(0) })
      linear.record(program, { input: normed, ...layer.selfAttentionValue, output: value, rows })
      linear.record(program, { input: value, ...layer.selfAttentionOutput, output: hidden, rows, gate: gate(0), residual: hidden })

      rmsNorm.record(program, { input: hidden, weight: layer.crossAttentionNorm, output: normed, rows: documents, modulation: modulate(1) })
      linear.record(program, { input: normed, ...layer.query, output: query, rows: documents })
      attention.recordCross(program, { query, keys, values, output: attended, heads, cursor, rows: documents, perRow: true })
      linear.record(program, { input: attended, ...layer.crossAttentionOutput, output: hidden, rows, gate: gate(1), residual: hidden })

      rmsNorm.record(program, { input: hidden, weight: layer.feedForwardNorm, output: normed, rows, modulation: modulate(2) })
      swiGlu.record(program, { input: normed, ...layer.feedForward, output: inner, rows })
      linear.record(program, { input: inner, ...layer.feedForward.projection, output: hidden, rows, gate: gate(2), residual: hidden })
    }
    rmsNorm.record(program, { input: hidden, weight: norm, output: normed, rows })
    linear.record(program, { input: normed, ...finalProjection, output: prediction, rows })
  }

  /** Records the keys and values of the `rows` context vectors that follow the `cursor.position` ones in the caches; `perRow` as in `Contextualizer.record`. */
  recordContext(program: Program, context: Tensor, rows: number, perRow = false): void {
    const { linear } = this.#kernels
    const atCursor = { cursor: this.#cursor, plus: 1, perRow }
    for (const [index, layer] of this.#weights.layers.entries()) {
      const { keys, values } = this.#caches[index]!
      linear.record(program, { input: context, ...layer.key, output: keys, rows, atCursor })
      linear.record(program, { input: context, ...layer.value, output: values, rows, atCursor })
    }
  }

  /** Makes room for `rows` concepts of the one document there is; programs must be recorded again. */
  grow(rows: number): void {
    for (const cache of this.#caches) cache.grow(rows + 1)
  }

  /** What is kept of each concept; the tensors are others after `grow`. */
  get columns(): StateColumn[] {
    return this.#caches.flatMap((cache) => cache.columns(1))
  }

  destroy(): void {
    for (const part of [this.latent, this.prediction, ...this.#attended, ...Object.values(this.#scratch), ...this.#caches]) part.destroy()
  }

  /** Leaves in every layer's output of cross-attention what the zero vector alone gives, behind the conditional rows. */
  #placeUnconditional(documents: number): void {
    const { layers, architecture } = this.#weights
    for (const [index, { valueBias }] of layers.entries()) {
      for (let row = documents; row < 2 * documents; row++) this.#gpu.write(this.#attended[index]!, valueBias, row * architecture.modelDim)
    }
  }
}
