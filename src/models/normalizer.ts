import { InvalidInput, ModelFormatError } from '../errors'
import { toFloat32 } from '../formats/float16'
import { requireTensor, type TensorSource } from '../formats/safetensors'
import type { PredictOptions } from './concept-model'

/** Per-dimension quantiles between which normalised values are kept, both [dim]. */
export interface ClipRange {
  minimum: Float32Array
  maximum: Float32Array
}

/**
 * The robust scaler between raw concepts and the space in which a concept model works (reference/lcm.md §1, SonarNormalizer), in f32:
 * normalize(e) = clip((e − center) / scale), denormalize(z) = clip(z) · scale + center.
 */
export class Normalizer {
  readonly dim: number
  readonly #center: Float32Array
  readonly #scale: Float32Array
  readonly #clip: ClipRange | undefined

  /** @param center [dim]  @param scale [dim], nowhere zero  @param clip optional. @throws ModelFormatError for values that cannot be used. */
  constructor(center: Float32Array, scale: Float32Array, clip?: ClipRange) {
    this.dim = center.length
    const parts = { center, scale, ...clip }
    for (const [name, values] of Object.entries(parts)) {
      if (values.length !== this.dim)
        throw new ModelFormatError(`The normalizer's ${name} has ${values.length} values where center has ${this.dim}.`)
      const bad = values.findIndex((value) => !Number.isFinite(value) || (name === 'scale' && value === 0))
      if (bad >= 0) throw new ModelFormatError(`The normalizer's ${name} is ${values[bad]} at dimension ${bad}.`)
    }
    this.#center = center
    this.#scale = scale
    this.#clip = clip
  }

  /** Raw concepts [n, dim] → normalised [n, dim]. @throws InvalidInput for a size that is not n·dim. */
  normalize(concepts: Float32Array): Float32Array {
    this.#check(concepts)
    return concepts.map((value, i) => {
      const channel = i % this.dim
      return this.#clamp(Math.fround(value - this.#center[channel]!) / this.#scale[channel]!, channel)
    })
  }

  /** Normalised concepts [n, dim] → raw [n, dim]. @throws InvalidInput for a size that is not n·dim. */
  denormalize(concepts: Float32Array): Float32Array {
    this.#check(concepts)
    return concepts.map((value, i) => {
      const channel = i % this.dim
      return Math.fround(this.#clamp(value, channel) * this.#scale[channel]!) + this.#center[channel]!
    })
  }

  #check(concepts: Float32Array): void {
    if (concepts.length % this.dim !== 0) {
      throw new InvalidInput(`Concepts have ${this.dim} numbers each; ${concepts.length} numbers are not a whole number of concepts.`)
    }
  }

  #clamp(value: number, channel: number): number {
    if (!this.#clip) return value
    return Math.min(Math.max(value, this.#clip.minimum[channel]!), this.#clip.maximum[channel]!)
  }
}

/** The scaler of a model, from its tensors `name`.center and .scale and, where it clips, .clip_min and .clip_max, [dim] each. @throws ModelFormatError. */
export function loadNormalizer(source: TensorSource, name: string, dim: number): Normalizer {
  const values = (part: string) => toFloat32(requireTensor(source, `${name}.${part}`, [dim]))
  const clips = source.has(`${name}.clip_min`)
  return new Normalizer(values('center'), values('scale'), clips ? { minimum: values('clip_min'), maximum: values('clip_max') } : undefined)
}

/** The options for a model that works on normalised concepts: `onTrajectory` is given raw ones all the same. */
export function withRawTrajectory(options: PredictOptions, normalizer: Normalizer): PredictOptions {
  const { onTrajectory } = options
  return onTrajectory ? { ...options, onTrajectory: (estimates) => onTrajectory(normalizer.denormalize(estimates)) } : options
}
