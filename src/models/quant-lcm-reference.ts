import type { QuantLcmArchitecture, QuantLcmFamily } from '../formats/concept-model-manifest'
import type { TensorSource } from '../formats/safetensors'
import { centroidDistancesReference } from '../ops/centroid-distances/reference'
import { chosenUnit } from '../ops/refine-step/reference'
import type { SamplingOptions } from './concept-model'
import { InterleavedReference } from './interleaved-reference'
import { add, type Vector } from './reference'

export interface ReferenceRefinement extends Required<Pick<SamplingOptions, 'guidanceScale' | 'temperature' | 'topK'>> {
  /** A number of 0 to 1 for each codebook. */
  draws: ArrayLike<number>
}

/** The Quant-LCMs in f64 (reference/lcm.md §7); the step of a sum is the number of its centroids, and that of a clean concept the number of codebooks. */
export class QuantLcmReference extends InterleavedReference {
  readonly #family: QuantLcmFamily
  readonly #sizes: QuantLcmArchitecture

  constructor(source: TensorSource, family: QuantLcmFamily, sizes: QuantLcmArchitecture) {
    super(source, sizes, sizes.n_codebooks)
    this.#family = family
    this.#sizes = sizes
  }

  /** Refines the concept that follows normalised ones [sonar_dim]: normalised, with the units chosen. */
  refine(concepts: readonly ArrayLike<number>[], { guidanceScale, temperature, topK, draws }: ReferenceRefinement) {
    const { sonar_dim: dim, n_codebooks: codebooks } = this.#sizes
    let total: Vector = new Float64Array(dim)
    const units: number[] = []
    for (let step = 0; step < codebooks; step++) {
      const { conditional, unconditional } = this.outputs(concepts, total, step)
      const guidance = { unconditional, guidanceScale }
      const choice = { topK, draw: draws[step] }
      const unit =
        this.#family === 'quant_lcm_d'
          ? chosenUnit({ ...choice, conditional, guidance, scores: 'logits', temperature })
          : chosenUnit({
              ...choice,
              conditional: centroidDistancesReference({ conditional, guidance, total, codebook: this.#codebook(step) }),
              scores: 'distances',
              temperature: temperature * dim,
            })
      units.push(unit)
      total = add(total, this.#centroid(step, unit))
    }
    return { concept: total, units }
  }

  /** The units of a normalised concept [sonar_dim]: of each codebook the centroid nearest to what those before it leave. */
  quantize(concept: ArrayLike<number>): number[] {
    const units: number[] = []
    for (let step = 0; step < this.#sizes.n_codebooks; step++) {
      const total = this.partialSum(units)
      const distances = centroidDistancesReference({ conditional: concept, total, codebook: this.#codebook(step) })
      units.push(chosenUnit({ conditional: distances, scores: 'distances', temperature: 0, topK: 1 }))
    }
    return units
  }

  /** The sum of the centroids of units, one of each codebook from the first on. */
  partialSum(units: readonly number[]): Vector {
    return units.reduce<Vector>((sum, unit, step) => add(sum, this.#centroid(step, unit)), new Float64Array(this.#sizes.sonar_dim))
  }

  protected override embedStep(step: number): Vector {
    const { codebook_embed_dim: width } = this.#sizes
    return Float64Array.from(this.tensor('frontend.embed_codebook.weight').subarray(step * width, (step + 1) * width))
  }

  #codebook(step: number): Float32Array {
    return this.tensor(`quantizer.codebooks.${step}.weight`)
  }

  #centroid(step: number, unit: number): Vector {
    const { sonar_dim: dim } = this.#sizes
    return Float64Array.from(this.#codebook(step).subarray(unit * dim, (unit + 1) * dim))
  }
}
