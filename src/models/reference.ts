import type { BaseLcmArchitecture, TwoTowerArchitecture } from '../formats/concept-model-manifest'
import { toFloat32 } from '../formats/float16'
import type { TensorSource } from '../formats/safetensors'
import { attentionReference } from '../ops/attention/reference'
import { linearReference } from '../ops/linear/reference'
import { rmsNormReference } from '../ops/rms-norm/reference'
import { ropeReference } from '../ops/rope/reference'
import { swiGluReference } from '../ops/swi-glu/reference'
import { denoisingLoop, type ReferenceStep } from './diffusion-reference'

export type Vector = Float64Array

/** What the concept models have in common, in f64. */
export class ReferenceModel {
  readonly #source: TensorSource
  readonly #tensors = new Map<string, Float32Array>()

  constructor(source: TensorSource) {
    this.#source = source
  }

  /** The causal transformer under the names of a model: normalised concepts [sonar_dim] → vectors [d]. */
  protected contextualize(
    concepts: readonly ArrayLike<number>[],
    { preLinear, stack, heads, layers }: { preLinear: string; stack: string; heads: number; layers: number },
  ): Vector[] {
    let hidden = concepts.map((concept) => this.linear(preLinear, concept))
    for (let layer = 0; layer < layers; layer++) {
      const name = `${stack}.layers.${layer}`
      const normed = hidden.map((x) => this.norm(`${name}.self_attn_layer_norm`, x))
      const rotated = (part: string) => normed.map((h, n) => ropeReference(this.linear(`${name}.self_attn.${part}`, h), n, heads))
      const values = normed.map((h) => this.linear(`${name}.self_attn.v_proj`, h))
      const [queries, keys] = [rotated('q_proj'), rotated('k_proj')]
      hidden = hidden.map((x, n) => {
        const attended = attentionReference(queries[n]!, flat(keys), flat(values), n + 1, heads)
        return add(x, this.linear(`${name}.self_attn.output_proj`, attended))
      })
      hidden = hidden.map((x) => add(x, this.feedForward(`${name}.ffn`, this.norm(`${name}.ffn_layer_norm`, x))))
    }
    return hidden.map((x) => this.norm(`${stack}.layer_norm`, x))
  }

  /** The embedding of an integer timestep under the names of a model (§3.2). */
  protected embedTime(name: string, timestep: number): Vector {
    const angles = Array.from({ length: 128 }, (_, i) => timestep * Math.exp((-Math.log(10_000) * i) / 128))
    const features = [...angles.map(Math.cos), ...angles.map(Math.sin)]
    return this.linear(`${name}.fc2`, silu(this.linear(`${name}.fc1`, features)))
  }

  protected linear(name: string, input: ArrayLike<number>): Vector {
    return linearReference({ input, weight: this.tensor(`${name}.weight`), bias: this.tensor(`${name}.bias`), rows: 1 })
  }

  protected norm(name: string, input: Vector, modulation?: { shift: Vector; scale: Vector }): Vector {
    return rmsNormReference(input, this.tensor(`${name}.weight`), modulation)
  }

  protected feedForward(name: string, input: Vector): Vector {
    const inner = swiGluReference({
      input,
      gateWeight: this.tensor(`${name}.gate_proj.weight`),
      gateBias: this.tensor(`${name}.gate_proj.bias`),
      innerWeight: this.tensor(`${name}.inner_proj.weight`),
      innerBias: this.tensor(`${name}.inner_proj.bias`),
      rows: 1,
    })
    return this.linear(`${name}.output_proj`, inner)
  }

  protected tensor(name: string): Float32Array {
    const known = this.#tensors.get(name) ?? toFloat32(this.#source.get(name))
    this.#tensors.set(name, known)
    return known
  }
}

/** The Base-LCM as plainly as possible, in f64 (reference/lcm.md §2). */
export class BaseLcmReference extends ReferenceModel {
  readonly #sizes: BaseLcmArchitecture

  constructor(source: TensorSource, sizes: BaseLcmArchitecture) {
    super(source)
    this.#sizes = sizes
  }

  /** The concept after normalised concepts [sonar_dim], with noise [sonar_dim] of N(0, 1) times the temperature added; normalised. */
  predict(concepts: readonly ArrayLike<number>[], noise: ArrayLike<number>, temperature: number): Vector {
    const { heads, layers } = this.#sizes
    const context = this.contextualize(concepts, { preLinear: 'frontend.pre_linear', stack: 'lcm', heads, layers })
    return this.linear('postnet.fc', context.at(-1)!).map((value, i) => value + temperature * noise[i]!)
  }
}

/**
 * The Two-Tower model as plainly as possible, in f64: the definition of correct for the one that runs on the GPU.
 * It uses none of the shortcuts of reference/lcm.md §3.3: nothing is cached, self-attention multiplies queries with keys, and the zero vector
 * goes through the key and value projections like any other.
 */
export class TwoTowerReference extends ReferenceModel {
  readonly #sizes: TwoTowerArchitecture

  constructor(source: TensorSource, sizes: TwoTowerArchitecture) {
    super(source)
    this.#sizes = sizes
  }

  /** Context vectors [d] of normalised concepts [sonar_dim] (§3.1). */
  context(concepts: readonly ArrayLike<number>[]): Vector[] {
    const { heads, context_layers: layers } = this.#sizes
    return this.contextualize(concepts, { preLinear: 'encoder_frontend.pre_linear', stack: 'context_encoder', heads, layers })
  }

  /** Timestep embedding [d] (§3.2). */
  embedding(timestep: number): Vector {
    return this.embedTime('denoiser.embed_time', timestep)
  }

  /** All shifts, scales and gates [9d] of a denoiser layer. */
  modulation(layer: number, timestep: number): Vector {
    return this.linear(`denoiser.layers.${layer}.modulator.fc`, silu(this.embedding(timestep)))
  }

  /** The denoiser's output [sonar_dim] for a normalised latent, attending to a zero vector and the context vectors given (§3.3). */
  denoise(latent: ArrayLike<number>, timestep: number, context: readonly Vector[]): Vector {
    const { heads, denoiser_layers, model_dim: d } = this.#sizes
    const seen = [new Float64Array(d), ...context]
    let x = this.linear('denoiser.initial_proj.fc', latent)
    for (let layer = 0; layer < denoiser_layers; layer++) {
      const name = `denoiser.layers.${layer}`
      const parts = this.modulation(layer, timestep)
      const chunk = (part: number) => parts.subarray(part * d, (part + 1) * d)
      const normed = (part: number, norm: string) => this.norm(`${name}.${norm}`, x, { shift: chunk(3 * part), scale: chunk(3 * part + 1) })
      const gated = (part: number, y: Vector) =>
        add(
          x,
          y.map((value, i) => value * chunk(3 * part + 2)[i]!),
        )
      const attend = (attention: string, h: Vector, rows: readonly Vector[]) => {
        const project = (projection: string, row: Vector) => this.linear(`${name}.${attention}.${projection}`, row)
        const [keys, values] = [rows.map((row) => project('k_proj', row)), rows.map((row) => project('v_proj', row))]
        return project('output_proj', attentionReference(project('q_proj', h), flat(keys), flat(values), rows.length, heads))
      }

      const h = normed(0, 'self_attn_layer_norm')
      x = gated(0, attend('self_attn', h, [h]))
      x = gated(1, attend('cross_attention', normed(1, 'cross_attention_layer_norm'), seen))
      x = gated(2, this.feedForward(`${name}.ffn`, normed(2, 'ffn_layer_norm')))
    }
    return this.linear('denoiser.final_proj.fc', this.norm('denoiser.layer_norm', x))
  }

  /** The denoising loop (§4.3) with both halves of the guidance computed at every step; returns the last estimate, normalised [sonar_dim]. */
  sample(concepts: readonly ArrayLike<number>[], initialLatent: ArrayLike<number>, steps: readonly ReferenceStep[]): Vector {
    const context = this.context(concepts)
    return denoisingLoop(initialLatent, steps, (latent, timestep) => ({
      conditional: this.denoise(latent, timestep, context),
      unconditional: this.denoise(latent, timestep, []),
    }))
  }
}

function silu(x: Vector): Vector {
  return x.map((value) => value / (1 + Math.exp(-value)))
}

export function add(a: Vector, b: Vector): Vector {
  return a.map((value, i) => value + b[i]!)
}

export function flat(rows: readonly Vector[]): Float64Array {
  return Float64Array.from(rows.flatMap((row) => [...row]))
}
