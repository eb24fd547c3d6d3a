import type { Gpu, Program, Tensor } from '../gpu'
import type { AddRows, Matrix } from '../ops'
import type { DocumentReader } from './cached-model'
import { blockRows } from './contextualizer'
import type { Kernels } from './kernels'
import { KeyValueCache } from './key-value-cache'
import type { DenoisingNetwork } from './sampler'
import type { StateColumn } from './state-rows'
import type { FeedForward, ModelWeights, Projection } from './weights'

export interface InterleavedArchitecture {
  /** Numbers in a concept. */
  sonarDim: number
  /** e: numbers in the embedding of a step. */
  stepDim: number
  /** d: width of the model. */
  modelDim: number
  heads: number
  layers: number
  /** f: inner width of the feed-forward layers. */
  ffnInner: number
  /** Learned positions. */
  positions: number
  /** Numbers in an output. */
  outputs: number
}

/** How far a concept is from clean, as the model is told it: by the embedding of a step. */
export interface StepEmbedding {
  /** The embeddings [steps, e] of steps. The caller destroys them. */
  embed: (steps: readonly number[]) => Tensor
  /** The step of a clean concept. */
  clean: number
}

export interface InterleavedWeights {
  architecture: InterleavedArchitecture
  /** The columns of the input layer that take a concept, [d, sonarDim]. */
  conceptColumns: Matrix
  /** Those that take the embedding of its step, [d, e], and the bias. */
  stepColumns: Projection
  /** [positions, d] */
  positions: Tensor
  layers: InterleavedLayer[]
  norm: Tensor
  postnet: Projection
}

interface InterleavedLayer {
  selfAttentionNorm: Tensor
  query: Projection
  key: Projection
  value: Projection
  attentionOutput: Projection
  feedForwardNorm: Tensor
  feedForward: FeedForward
}

export interface InterleavedKernels extends Kernels {
  addRows: AddRows
}

/** @throws ModelFormatError. */
export function loadInterleavedTower(weights: ModelWeights, architecture: InterleavedArchitecture): InterleavedWeights {
  const { sonarDim, stepDim, modelDim, ffnInner, positions, outputs } = architecture
  const square = (name: string) => weights.projection(name, modelDim, modelDim)
  const layer = (index: number): InterleavedLayer => {
    const name = `lcm.layers.${index}`
    return {
      selfAttentionNorm: weights.vector(`${name}.self_attn_layer_norm.weight`, modelDim),
      query: square(`${name}.self_attn.q_proj`),
      key: square(`${name}.self_attn.k_proj`),
      value: square(`${name}.self_attn.v_proj`),
      attentionOutput: square(`${name}.self_attn.output_proj`),
      feedForwardNorm: weights.vector(`${name}.ffn_layer_norm.weight`, modelDim),
      feedForward: weights.feedForward(`${name}.ffn`, modelDim, ffnInner),
    }
  }
  const [conceptColumns, stepColumns] = weights.columnBlocks('frontend.pre_linear.weight', modelDim, [sonarDim, stepDim])
  return {
    architecture,
    conceptColumns: conceptColumns!,
    stepColumns: { weight: stepColumns!, bias: weights.vector('frontend.pre_linear.bias', modelDim) },
    positions: weights.table('frontend.pos_encoder.weight', positions, modelDim),
    layers: Array.from({ length: architecture.layers }, (_, index) => layer(index)),
    norm: weights.vector('lcm.layer_norm.weight', modelDim),
    postnet: weights.projection('postnet.fc', outputs, modelDim),
  }
}

/**
 * The transformer of the One-Tower model and the Quant-LCMs (reference/lcm.md §§6, 7), with the keys and values that one document's clean concepts
 * have in it. It uses exact shortcuts: (a) nothing attends to a noisy position but itself, so the clean ones are read once and cached, and all
 * steps of a concept share them; (b) the last layer of a clean position is needed for its key and value alone; (c) the input layer is linear, so
 * its part for the step is a table over the steps; (d) attention to one key is its value, which is all that the unconditional row sees.
 */
export class InterleavedTower implements DocumentReader, DenoisingNetwork {
  readonly input: Tensor
  readonly latent: Tensor
  readonly prediction: Tensor
  readonly #gpu: Gpu
  readonly #kernels: InterleavedKernels
  readonly #weights: InterleavedWeights
  readonly #steps: StepEmbedding
  readonly #cursor: Tensor
  /** One row longer than the document may be: that behind it is the noisy position's while a program runs, and belongs to nothing afterwards. */
  readonly #caches: KeyValueCache[]
  /** [1, d]: what the step of a clean concept adds to the input layer. */
  readonly #cleanStep: Tensor
  readonly #noBias: Tensor
  readonly #clean: Scratch
  readonly #noisy: Scratch

  /** @param rows concepts that there is room for at first */
  constructor(
    gpu: Gpu,
    { kernels, weights, steps }: { kernels: InterleavedKernels; weights: InterleavedWeights; steps: StepEmbedding },
    cursor: Tensor,
    rows: number,
  ) {
    const { sonarDim, modelDim, outputs } = weights.architecture
    this.#gpu = gpu
    this.#kernels = kernels
    this.#weights = weights
    this.#steps = steps
    this.#cursor = cursor
    this.#caches = weights.layers.map((_, index) => new KeyValueCache(gpu, `layer ${index}`, rows + 1, modelDim))
    this.#cleanStep = this.stepTable([steps.clean])
    this.#noBias = gpu.tensor('no bias', [modelDim])
    this.input = gpu.tensor('concepts', [blockRows, sonarDim])
    this.latent = gpu.tensor('latent', [1, sonarDim])
    this.prediction = gpu.tensor('prediction', [2, outputs])
    this.#clean = makeScratch(gpu, 'clean', blockRows, weights.architecture)
    this.#noisy = makeScratch(gpu, 'noisy', 2, weights.architecture)
  }

  /** What steps add to the input layer, its bias included: [steps, d]. The caller destroys it. */
  stepTable(steps: readonly number[]): Tensor {
    const { stepColumns, architecture } = this.#weights
    const embedding = this.#steps.embed(steps)
    const output = this.#gpu.tensor('steps', [steps.length, architecture.modelDim])
    const program = this.#gpu.program('steps')
    this.#kernels.linear.record(program, { input: embedding, ...stepColumns, output, rows: steps.length })
    this.#gpu.submit([program])
    embedding.destroy()
    return output
  }

  /** Records what later positions see of the `rows` clean concepts in `input`, which follow the `cursor.position` ones in the caches. */
  record(program: Program, rows: number): void {
    const { linear, rmsNorm, addRows, attention } = this.#kernels
    const { conceptColumns, positions, layers, architecture } = this.#weights
    const { hidden, normed, query, attended } = this.#clean
    const cursor = this.#cursor
    const atCursor = { cursor, plus: 0 }

    linear.record(program, { input: this.input, weight: conceptColumns, bias: this.#cleanStep, output: hidden, rows })
    addRows.record(program, { tensor: hidden, rows, table: positions, cursor, first: { plus: 0 } })
    for (const [index, layer] of layers.entries()) {
      const { keys, values } = this.#caches[index]!
      rmsNorm.record(program, { input: hidden, weight: layer.selfAttentionNorm, output: normed, rows })
      linear.record(program, { input: normed, ...layer.key, output: keys, rows, atCursor })
      linear.record(program, { input: normed, ...layer.value, output: values, rows, atCursor })
      if (index === layers.length - 1) return
      linear.record(program, { input: normed, ...layer.query, output: query, rows })
      attention.recordCausal(program, { query, keys, values, output: attended, rows, heads: architecture.heads, cursor })
      this.#recordRest(program, layer, this.#clean, rows)
    }
  }

  /** In the guided case both rows are of the same noisy concept. @param tables the one of `stepTable` */
  recordStep(program: Program, rows: 1 | 2, [steps]: readonly Tensor[]): void {
    const { linear, rmsNorm, addRows, attention } = this.#kernels
    const { conceptColumns, positions, layers, norm, postnet, architecture } = this.#weights
    const { hidden, normed, query, attended } = this.#noisy
    const cursor = this.#cursor
    const atCursor = { cursor, plus: 1 }

    linear.record(program, { input: this.latent, inputRows: 1, weight: conceptColumns, bias: this.#noBias, output: hidden, rows })
    addRows.record(program, { tensor: hidden, rows, table: steps!, cursor, first: 'step', sameRow: true })
    addRows.record(program, { tensor: hidden, rows, table: positions, cursor, first: { plus: 1 }, sameRow: true })
    for (const [index, layer] of layers.entries()) {
      const { keys, values } = this.#caches[index]!
      rmsNorm.record(program, { input: hidden, weight: layer.selfAttentionNorm, output: normed, rows })
      linear.record(program, { input: normed, ...layer.query, output: query, rows: 1 })
      linear.record(program, { input: normed, ...layer.key, output: keys, rows: 1, atCursor })
      linear.record(program, { input: normed, ...layer.value, output: values, rows: 1, atCursor })
      // The unconditional row is its value; attention writes over the other one.
      if (rows === 2) linear.record(program, { input: normed, ...layer.value, output: attended, rows })
      attention.recordCross(program, { query, keys, values, output: attended, heads: architecture.heads, cursor })
      this.#recordRest(program, layer, this.#noisy, rows)
    }
    rmsNorm.record(program, { input: hidden, weight: norm, output: normed, rows })
    linear.record(program, { input: normed, ...postnet, output: this.prediction, rows })
  }

  grow(rows: number): void {
    for (const cache of this.#caches) cache.grow(rows + 1)
  }

  get columns(): StateColumn[] {
    return this.#caches.flatMap((cache) => cache.columns(0))
  }

  destroy(): void {
    const scratch = [...Object.values(this.#clean), ...Object.values(this.#noisy), this.#cleanStep, this.#noBias]
    for (const part of [this.input, this.latent, this.prediction, ...scratch, ...this.#caches]) part.destroy()
  }

  /** Records what follows the attention in a layer. */
  #recordRest(program: Program, layer: InterleavedLayer, { hidden, normed, attended, inner }: Scratch, rows: number): void {
    const { linear, rmsNorm, swiGlu } = this.#kernels
    linear.record(program, { input: attended, ...layer.attentionOutput, output: hidden, residual: hidden, rows })
    rmsNorm.record(program, { input: hidden, weight: layer.feedForwardNorm, output: normed, rows })
    swiGlu.record(program, { input: normed, ...layer.feedForward, output: inner, rows })
    linear.record(program, { input: inner, ...layer.feedForward.projection, output: hidden, residual: hidden, rows })
  }
}

/** Activations [rows, d]; `inner` [rows, f]. */
type Scratch = Record<'hidden' | 'normed' | 'query' | 'attended' | 'inner', Tensor>

function makeScratch(gpu: Gpu, label: string, rows: number, { modelDim, ffnInner }: InterleavedArchitecture): Scratch {
  const tensor = (name: string, width = modelDim) => gpu.tensor(`${label} ${name}`, [rows, width])
  return {
    hidden: tensor('hidden'),
    normed: tensor('normed'),
    query: tensor('query'),
    attended: tensor('attended'),
    inner: tensor('inner', ffnInner),
  }
}
