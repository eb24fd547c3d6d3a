import type { OneTowerArchitecture } from '../formats/concept-model-manifest'
import type { TensorSource } from '../formats/safetensors'
import { type DiffusionReference, denoisingLoop, type ReferenceStep } from './diffusion-reference'
import { InterleavedReference } from './interleaved-reference'
import type { Vector } from './reference'

/** The One-Tower model in f64 (reference/lcm.md §6); the step of a concept is its timestep, 0 for a clean one. */
export class OneTowerReference extends InterleavedReference implements DiffusionReference {
  constructor(source: TensorSource, sizes: OneTowerArchitecture) {
    super(source, sizes, 0)
  }

  sample(concepts: readonly ArrayLike<number>[], initialLatent: ArrayLike<number>, steps: readonly ReferenceStep[]): Vector {
    return denoisingLoop(initialLatent, steps, (noisy, timestep) => this.outputs(concepts, noisy, timestep))
  }

  protected override embedStep(timestep: number): Vector {
    return this.embedTime('frontend.embed_time', timestep)
  }
}
