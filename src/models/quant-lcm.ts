import { InvalidInput, throwIfAborted } from '../errors'
import { mostUnits, type QuantLcmArchitecture, type QuantLcmFamily } from '../formats/concept-model-manifest'
import type { TensorSource } from '../formats/safetensors'
import type { Gpu, Program, Tensor } from '../gpu'
import { loadAddRows } from '../ops/add-rows'
import { type CentroidDistances, loadCentroidDistances } from '../ops/centroid-distances'
import { writeCursor } from '../ops/cursor'
import { loadRefineStep, type RefineStep } from '../ops/refine-step'
import { CachedModel, type SharedParts } from './cached-model'
import type { NoiseSource, PredictOptions, SamplingOptions } from './concept-model'
import { type InterleavedKernels, InterleavedTower, type InterleavedWeights, loadInterleavedTower } from './interleaved-tower'
import { loadByType, loadKernels } from './kernels'
import { loadNormalizer } from './normalizer'
import { Pacer } from './pacer'
import { ModelWeights, requireSizes } from './weights'

interface QuantLcmParts extends SharedParts {
  family: QuantLcmFamily
  kernels: InterleavedKernels
  weights: ModelWeights
  tower: InterleavedWeights
  /** [codebooks + 1, e]: row n belongs to a sum of n centroids. */
  embedCodebook: Float32Array
  /** [units, dim] each. */
  codebooks: Tensor[]
  /** By type of the codebooks. */
  centroidDistances: Map<string, CentroidDistances>
  refineStep: Map<string, RefineStep>
  /** Memories that use the weights. */
  users: number
}

/** The recorded refinement for given options: what the network does is the same for every codebook, what follows is not. */
interface Plan {
  /** Says for what options, and for which size of the caches, the programs were recorded. */
  key: string
  network: Program
  /** One a codebook. */
  choices: Program[]
}

/**
 * Quant-LCM-c and -d (arXiv 2412.08821 §2.3.5; reference/lcm.md §7): the tower of the One-Tower model, with the sum of the centroids chosen so far in
 * the place of a noisy concept, and the embedding of how many they are in that of its timestep. The sum begins at zero and takes one centroid of each
 * codebook in turn. -d predicts the unit by a softmax layer that all codebooks share, guided on the logits; -c regresses the whole concept, guided,
 * and draws among the centroids nearest to what the sum lacks of it.
 *
 * No code or checkpoint of them is public. Tensors have the names that the reference gives to the same parts of its other models:
 *
 *     frontend.sonar_normalizer.{center,scale}                    [s]
 *     frontend.embed_codebook.weight                              [codebooks + 1, e]   row n: n centroids in the sum, the last for a clean concept
 *     frontend.pre_linear.{weight,bias}                           [d, s + e]           columns: sum or concept, then number of centroids
 *     frontend.pos_encoder.weight                                 [max_seq_len + 1, d]
 *     lcm.layers.{i}.…, lcm.layer_norm.weight                     as in a One-Tower model
 *     postnet.fc.{weight,bias}                                    [s, d] of -c, [units, d] of -d
 *     quantizer.codebooks.{k}.weight                              [units, s]           in normalised space
 */
export class QuantLcm extends CachedModel<InterleavedTower> {
  readonly #parts: QuantLcmParts
  /** What each number of centroids adds to the input layer. */
  readonly #steps: Tensor
  /** Of -c: [1, units]. */
  readonly #distances: Tensor
  /** [codebooks], in 0 … 1. */
  readonly #draws: Tensor
  readonly #pacer = new Pacer()
  #plan: Plan | undefined

  /** Uploads the weights and compiles the kernels. @throws ModelFormatError for a tensor that is missing or has another shape, KernelError. */
  static async load(gpu: Gpu, source: TensorSource, family: QuantLcmFamily, architecture: QuantLcmArchitecture): Promise<QuantLcm> {
    requireSizes(architecture)
    const { sonar_dim: sonarDim, model_dim: modelDim, heads, layers, max_seq_len: capacity } = architecture
    const { codebook_embed_dim: stepDim, n_codebooks: count, n_units_per_codebook: units } = architecture
    const weights = new ModelWeights(gpu, source)
    try {
      const outputs = family === 'quant_lcm_d' ? units : sonarDim
      const sizes = { sonarDim, modelDim, stepDim, heads, layers, ffnInner: architecture.ffn_inner, positions: capacity + 1, outputs }
      const tower = loadInterleavedTower(weights, sizes)
      const embedCodebook = weights.values('frontend.embed_codebook.weight', count + 1, stepDim)
      const codebooks = Array.from({ length: count }, (_, k) => weights.matrix(`quantizer.codebooks.${k}.weight`, units, sonarDim))
      const normalizer = loadNormalizer(source, 'frontend.sonar_normalizer', sonarDim)
      const types = new Set(codebooks.map(({ type }) => type as 'f32' | 'f16'))
      const [common, addRows, centroidDistances, refineStep] = await Promise.all([
        loadKernels(gpu, weights, { headDim: modelDim / heads, positions: 1 }),
        loadAddRows(gpu),
        loadByType(types, (type) => loadCentroidDistances(gpu, type)),
        loadByType(types, (type) => loadRefineStep(gpu, type)),
      ])
      const kernels = { ...common, addRows }
      const quantizer = { embedCodebook, codebooks, centroidDistances, refineStep }
      return new QuantLcm({ gpu, family, kernels, normalizer, capacity, weights, tower, ...quantizer, users: 0 })
    } catch (error) {
      weights.destroy()
      throw error
    }
  }

  private constructor(parts: QuantLcmParts) {
    const { gpu, kernels, tower, codebooks } = parts
    const steps = { embed: (used: readonly number[]) => embedding(parts, used), clean: codebooks.length }
    super(parts, (cursor, rows) => new InterleavedTower(gpu, { kernels, weights: tower, steps }, cursor, rows))
    this.#parts = parts
    this.#steps = this.reader.stepTable([...codebooks.keys()])
    this.#distances = gpu.tensor('distances', [1, codebooks[0]!.shape[0]!])
    this.#draws = gpu.tensor('draws', [codebooks.length])
    parts.users++
  }

  fork(): QuantLcm {
    return new QuantLcm(this.#parts)
  }

  override dispose(): void {
    super.dispose()
    for (const tensor of [this.#steps, this.#distances, this.#draws]) tensor.destroy()
    if (--this.#parts.users === 0) this.#parts.weights.destroy()
  }

  /** One submission and one read-back, unless the GPU is so slow that the codebooks are spread over several submissions. */
  protected override async predictNormalized({ noise, sampling = {}, signal }: PredictOptions): Promise<Float32Array> {
    const { gpu, codebooks } = this.#parts
    const options = resolve(sampling)
    const plan = this.#planFor(options)
    const total = this.reader.latent
    gpu.write(total, new Float32Array(this.dim))
    if (options.topK > 1) gpu.write(this.#draws, uniformDraws(noise, codebooks.length))
    writeCursor(gpu, this.cursor, { position: this.length - 1, contextLength: this.length + 1, step: 0 })
    throwIfAborted(signal)

    let pending = this.memory.takePending()
    for (let step = 0; ; ) {
      const started = performance.now()
      const count = this.#pacer.steps(codebooks.length - step)
      gpu.submit([...pending, ...plan.choices.slice(step, step + count).flatMap((choice) => [plan.network, choice])])
      pending = []
      step += count
      const concept = step === codebooks.length ? await gpu.read(total) : await gpu.finished()
      this.#pacer.measured(count, performance.now() - started)
      throwIfAborted(signal)
      if (concept) return concept
    }
  }

  #planFor(options: Choice): Plan {
    const key = JSON.stringify([options, this.memory.room])
    if (this.#plan?.key !== key) this.#plan = this.#record(options, key)
    return this.#plan
  }

  #record({ guidanceScale, temperature, topK }: Choice, key: string): Plan {
    const { gpu, family, codebooks, centroidDistances, refineStep } = this.#parts
    const { latent: total, prediction } = this.reader
    const network = gpu.program('network')
    this.reader.recordStep(network, guidanceScale === 1 ? 1 : 2, [this.#steps])
    const choices = codebooks.map((codebook) => {
      const program = gpu.program('choice')
      const shared = { guidanceScale, topK, draws: this.#draws, codebook, total, cursor: this.cursor }
      const refine = refineStep.get(codebook.type)!
      if (family === 'quant_lcm_d') {
        refine.record(program, { ...shared, values: prediction, scores: 'logits', temperature })
      } else {
        const distances = this.#distances
        centroidDistances.get(codebook.type)!.record(program, { prediction, guidanceScale, total, codebook, distances })
        refine.record(program, { ...shared, values: distances, scores: 'distances', temperature: temperature * this.dim })
      }
      return program
    })
    return { key, network, choices }
  }
}

/** How units are chosen: `topK` is 1 where the temperature is 0. */
type Choice = Required<Pick<SamplingOptions, 'guidanceScale' | 'temperature' | 'topK'>>

/** @throws InvalidInput for options out of range. */
function resolve({ guidanceScale = 1, temperature = 0, topK = mostUnits }: SamplingOptions): Choice {
  for (const [name, value, minimum, maximum] of [
    ['guidanceScale', guidanceScale, 0, 1000],
    ['temperature', temperature, 0, 1000],
    ['topK', topK, 1, mostUnits],
  ] as const) {
    if (!(value >= minimum && value <= maximum) || (name === 'topK' && !Number.isInteger(value))) {
      const what = name === 'topK' ? 'a whole number from' : 'from'
      throw new InvalidInput(`${name} must be ${what} ${minimum} to ${maximum}, not ${value}.`, { name, value })
    }
  }
  return temperature < 1e-6 || topK === 1 ? { guidanceScale, temperature: 0, topK: 1 } : { guidanceScale, temperature, topK }
}

/** exp(−(a² + b²) / 2) of pairs of N(0, 1) is uniform in 0 … 1; 1 itself is left out. */
export function uniformDraws(noise: NoiseSource, count: number): Float32Array {
  const pairs = noise(2 * count)
  return Float32Array.from({ length: count }, (_, i) =>
    Math.min(Math.exp(-(pairs[2 * i]! ** 2 + pairs[2 * i + 1]! ** 2) / 2), 1 - 2 ** -24),
  )
}

/** The embeddings [n, e] of sums of `used` centroids. */
function embedding({ gpu, tower, embedCodebook }: QuantLcmParts, used: readonly number[]): Tensor {
  const width = tower.architecture.stepDim
  const rows = used.flatMap((n) => [...embedCodebook.subarray(n * width, (n + 1) * width)])
  return gpu.tensor('codebook embeddings', [used.length, width], { data: Float32Array.from(rows) })
}
