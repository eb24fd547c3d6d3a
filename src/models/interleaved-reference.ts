import type { TensorSource } from '../formats/safetensors'
import { attentionReference } from '../ops/attention/reference'
import { add, flat, ReferenceModel, type Vector } from './reference'

/** A concept in both its forms, normalised [sonar_dim] each. */
export interface InterleavedConcept {
  /** Noisy, or otherwise not finished. */
  unfinished: ArrayLike<number>
  /** How far it is from clean. */
  step: number
  clean: ArrayLike<number>
  /** Whether the unfinished form sees nothing but itself, as it is trained to for guidance. Default false. */
  alone?: boolean
}

/** A position of the interleaved sequence. */
interface Position {
  concept: number
  clean: boolean
  alone: boolean
  hidden: Vector
}

/**
 * The tower of the One-Tower model and the Quant-LCMs as plainly as possible, in f64 (reference/lcm.md §§6, 7): the definition of correct for the one
 * that runs on the GPU. It uses none of its shortcuts: the whole interleaved sequence goes through every layer under the attention mask, and nothing
 * is cached.
 */
export abstract class InterleavedReference extends ReferenceModel {
  readonly #sizes: { model_dim: number; heads: number; layers: number }
  readonly #cleanStep: number

  /** @param cleanStep the step of clean concepts */
  constructor(source: TensorSource, sizes: { model_dim: number; heads: number; layers: number }, cleanStep: number) {
    super(source)
    this.#sizes = sizes
    this.#cleanStep = cleanStep
  }

  /** A training pass over x_1^t x_1^0 x_2^t x_2^0 …: the outputs at the unfinished positions. */
  forward(concepts: readonly InterleavedConcept[]): Vector[] {
    const { heads, layers } = this.#sizes
    let sequence = concepts.flatMap(({ unfinished, step, clean, alone = false }, concept): Position[] => [
      { concept, clean: false, alone, hidden: this.#embed(unfinished, step, concept) },
      { concept, clean: true, alone: false, hidden: this.#embed(clean, this.#cleanStep, concept) },
    ])
    for (let layer = 0; layer < layers; layer++) {
      const name = `lcm.layers.${layer}`
      const normed = sequence.map(({ hidden }) => this.norm(`${name}.self_attn_layer_norm`, hidden))
      const project = (part: string) => normed.map((x) => this.linear(`${name}.self_attn.${part}`, x))
      const [queries, keys, values] = [project('q_proj'), project('k_proj'), project('v_proj')]
      sequence = sequence.map((position, row) => {
        const seen = sequence.flatMap((other, column) => (sees(position, other) ? [column] : []))
        const [seenKeys, seenValues] = [keys, values].map((rows) => flat(seen.map((column) => rows[column]!)))
        const attended = attentionReference(queries[row]!, seenKeys!, seenValues!, seen.length, heads)
        const x = add(position.hidden, this.linear(`${name}.self_attn.output_proj`, attended))
        return { ...position, hidden: add(x, this.feedForward(`${name}.ffn`, this.norm(`${name}.ffn_layer_norm`, x))) }
      })
    }
    const unfinished = sequence.filter(({ clean }) => !clean)
    return unfinished.map(({ hidden }) => this.linear('postnet.fc', this.norm('lcm.layer_norm', hidden)))
  }

  /** What embeds a step. */
  protected abstract embedStep(step: number): Vector

  /** Outputs for an unfinished concept that follows clean ones, with those in view and without. */
  protected outputs(before: readonly ArrayLike<number>[], unfinished: ArrayLike<number>, step: number) {
    // What no position that counts may see.
    const anything = Float64Array.from(unfinished, (_, i) => i)
    const earlier = before.map((clean) => ({ unfinished: anything, step: 1, clean }))
    const last = (alone: boolean) => this.forward([...earlier, { unfinished, step, clean: anything, alone }]).at(-1)!
    return { conditional: last(false), unconditional: last(true) }
  }

  #embed(concept: ArrayLike<number>, step: number, position: number): Vector {
    const { model_dim: d } = this.#sizes
    const joined = [...Array.from(concept), ...this.embedStep(step)]
    const learned = this.tensor('frontend.pos_encoder.weight').subarray(position * d, (position + 1) * d)
    return add(this.linear('frontend.pre_linear', joined), Float64Array.from(learned))
  }
}

/** The mask: clean concepts before one's own, and oneself. */
function sees(position: Position, other: Position): boolean {
  if (other.concept === position.concept) return other.clean === position.clean
  return other.clean && other.concept < position.concept && !position.alone
}
