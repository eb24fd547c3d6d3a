import type { Gpu, Program, Tensor } from '../gpu'
import type { Kernels } from './kernels'
import { KeyValueCache } from './key-value-cache'
import type { StateColumn } from './state-rows'
import type { FeedForward, ModelWeights, Projection } from './weights'

/** Most concepts that are encoded together. */
export const blockRows = 64

export interface ContextualizerArchitecture {
  /** Numbers in a concept. */
  sonarDim: number
  /** d: width of the model. */
  modelDim: number
  heads: number
  layers: number
  /** f: inner width of the feed-forward layers. */
  ffnInner: number
}

export interface ContextualizerWeights {
  architecture: ContextualizerArchitecture
  preLinear: Projection
  layers: ContextualizerLayer[]
  norm: Tensor
}

interface ContextualizerLayer {
  selfAttentionNorm: Tensor
  query: Projection
  key: Projection
  value: Projection
  attentionOutput: Projection
  feedForwardNorm: Tensor
  feedForward: FeedForward
}

/** @param names prefixes of the tensor names: the linear layer in front, and the stack. @throws ModelFormatError. */
export function loadContextualizer(
  weights: ModelWeights,
  names: { preLinear: string; stack: string },
  architecture: ContextualizerArchitecture,
): ContextualizerWeights {
  const { sonarDim, modelDim, ffnInner } = architecture
  const layer = (index: number): ContextualizerLayer => {
    const name = `${names.stack}.layers.${index}`
    return {
      selfAttentionNorm: weights.vector(`${name}.self_attn_layer_norm.weight`, modelDim),
      query: weights.projection(`${name}.self_attn.q_proj`, modelDim, modelDim),
      key: weights.projection(`${name}.self_attn.k_proj`, modelDim, modelDim),
      value: weights.projection(`${name}.self_attn.v_proj`, modelDim, modelDim),
      attentionOutput: weights.projection(`${name}.self_attn.output_proj`, modelDim, modelDim),
      feedForwardNorm: weights.vector(`${name}.ffn_layer_norm.weight`, modelDim),
      feedForward: weights.feedForward(`${name}.ffn`, modelDim, ffnInner),
    }
  }
  return {
    architecture,
    preLinear: weights.projection(names.preLinear, modelDim, sonarDim),
    layers: Array.from({ length: architecture.layers }, (_, index) => layer(index)),
    norm: weights.vector(`${names.stack}.layer_norm.weight`, modelDim),
  }
}

/** The causal transformer over the concepts of a document (reference/lcm.md §3.1; §2 for Base-LCM), with the keys and values of one document. */
export class Contextualizer {
  /** The normalised concepts to encode next, [block, sonarDim]. */
  readonly input: Tensor
  /** Their context vectors, [block, d]. */
  readonly output: Tensor
  readonly #weights: ContextualizerWeights
  readonly #kernels: Kernels
  readonly #cursor: Tensor
  readonly #caches: KeyValueCache[]
  readonly #scratch: { hidden: Tensor; normed: Tensor; query: Tensor; attended: Tensor; inner: Tensor }

  /** @param rows concepts that there is room for at first, of all documents together */
  constructor(gpu: Gpu, kernels: Kernels, weights: ContextualizerWeights, cursor: Tensor, rows: number) {
    const { sonarDim, modelDim, ffnInner } = weights.architecture
    this.#weights = weights
    this.#kernels = kernels
    this.#cursor = cursor
    this.#caches = weights.layers.map((_, index) => new KeyValueCache(gpu, `context layer ${index}`, rows, modelDim))
    this.input = gpu.tensor('concepts', [blockRows, sonarDim])
    this.output = gpu.tensor('context vectors', [blockRows, modelDim])
    this.#scratch = {
      hidden: gpu.tensor('context hidden', [blockRows, modelDim]),
      normed: gpu.tensor('context normed', [blockRows, modelDim]),
      query: gpu.tensor('context query', [blockRows, modelDim]),
      attended: gpu.tensor('context attended', [blockRows, modelDim]),
      inner: gpu.tensor('context inner', [blockRows, ffnInner]),
    }
  }

  /**
   * Records the encoding of `rows` concepts that follow the `cursor.position` ones in the caches: `input` → `output`.
   * @param perRow each is the next of another document, whose caches begin at the base of its own entry of the cursor
   */
  record(program: Program, rows: number, perRow = false): void {
    const { linear, rmsNorm, rope, attention, swiGlu } = this.#kernels
    const { preLinear, layers, norm, architecture } = this.#weights
    const { hidden, normed, query, attended, inner } = this.#scratch
    const cursor = this.#cursor
    const atCursor = { cursor, plus: 0, perRow }

    linear.record(program, { input: this.input, ...preLinear, output: hidden, rows })
    for (const [index, layer] of layers.entries()) {
      const { keys, values } = this.#caches[index]!
      rmsNorm.record(program, { input: hidden, weight: layer.selfAttentionNorm, output: normed, rows })
      linear.record(program, { input: normed, ...layer.query, output: query, rows })
      linear.record(program, { input: normed, ...layer.key, output: keys, rows, atCursor })
      linear.record(program, { input: normed, ...layer.value, output: values, rows, atCursor })
      rope.record(program, { tensor: query, rows, cursor, atCursor: false, perRow })
      rope.record(program, { tensor: keys, rows, cursor, atCursor: true, perRow })
      attention.recordCausal(program, { query, keys, values, output: attended, rows, heads: architecture.heads, cursor, perRow })
      linear.record(program, { input: attended, ...layer.attentionOutput, output: hidden, residual: hidden, rows })

      rmsNorm.record(program, { input: hidden, weight: layer.feedForwardNorm, output: normed, rows })
      swiGlu.record(program, { input: normed, ...layer.feedForward, output: inner, rows })
      linear.record(program, { input: inner, ...layer.feedForward.projection, output: hidden, residual: hidden, rows })
    }
    rmsNorm.record(program, { input: hidden, weight: norm, output: this.output, rows })
  }

  /** Makes room for `rows` concepts in all; programs must be recorded again. */
  grow(rows: number): void {
    for (const cache of this.#caches) cache.grow(rows)
  }

  /** What is kept of each concept; the tensors are others after `grow`. */
  get columns(): StateColumn[] {
    return this.#caches.flatMap((cache) => cache.columns(0))
  }

  destroy(): void {
    for (const part of [this.input, this.output, ...Object.values(this.#scratch), ...this.#caches]) part.destroy()
  }
}
