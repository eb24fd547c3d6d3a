import { throwIfAborted } from '../errors'
import type { Program, Tensor } from '../gpu'
import type { BaseLcmParts } from './base-lcm'
import { CachedBatch } from './cached-batch'
import type { NoiseSource, PredictOptions } from './concept-model'
import { requireTemperature, withNoise } from './temperature'

/** Documents that a Base-LCM continues together. */
export class BaseLcmBatch extends CachedBatch {
  readonly #parts: BaseLcmParts
  readonly #prediction: Tensor
  /** By number of documents. */
  readonly #postnets = new Map<number, Program>()

  /** For `BaseLcm.batch`. */
  constructor(parts: BaseLcmParts, documents: number, room: number) {
    super(parts, documents, room)
    this.#parts = parts
    this.#prediction = parts.gpu.tensor('prediction', [this.size, parts.normalizer.dim])
    parts.users++
  }

  override dispose(): void {
    super.dispose()
    this.#prediction.destroy()
    if (--this.#parts.users === 0) this.#parts.weights.destroy()
  }

  protected override async predictNormalized(
    noise: readonly NoiseSource[],
    { sampling, signal }: Omit<PredictOptions, 'noise' | 'onStep' | 'onTrajectory'>,
  ): Promise<Float32Array> {
    const { gpu, normalizer } = this.#parts
    const { dim } = normalizer
    requireTemperature(sampling)
    this.writeCursors()
    gpu.submit([...this.takePending(), this.#postnet(noise.length)])
    const predictions = await gpu.read(this.#prediction, 0, noise.length * dim)
    throwIfAborted(signal)
    for (const [row, draw] of noise.entries()) {
      predictions.set(withNoise(predictions.subarray(row * dim, (row + 1) * dim), draw, sampling), row * dim)
    }
    return predictions
  }

  #postnet(rows: number): Program {
    const { gpu, kernels, postnet } = this.#parts
    let program = this.#postnets.get(rows)
    if (!program) {
      program = gpu.program('postnet')
      kernels.linear.record(program, { input: this.reader.output, ...postnet, output: this.#prediction, rows })
      this.#postnets.set(rows, program)
    }
    return program
  }
}
