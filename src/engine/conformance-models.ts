import { InvalidInput } from '../errors'
import type { BaseLcmArchitecture } from '../models/base-lcm'
import type { TwoTowerArchitecture } from '../models/two-tower'
import type { CaseField } from './conformance-field'

/** Most parameters a case's model may have: it is made number by number. */
const maximumParameters = 30_000_000

/** A model's tensors by name. */
export type Shapes = Map<string, number[]>

/** The architecture of a `two_tower` case, with room for `concepts` concepts, and its tensors. Throws `InvalidInput`, `NotCovered`. */
export function readTwoTower(model: CaseField, concepts: number): { architecture: TwoTowerArchitecture; shapes: Shapes } {
  const sizes = readSizes(model, 'two_tower', ['context_layers', 'denoiser_layers'])
  const architecture = { ...sizes, context_layers: layers(model, 'context_layers'), denoiser_layers: layers(model, 'denoiser_layers') }
  const { sonar_dim: s, model_dim: d } = architecture
  const shapes: Shapes = new Map([
    ['sonar_normalizer.center', [s]],
    ['sonar_normalizer.scale', [s]],
    ['context_encoder.layer_norm.weight', [d]],
    ['denoiser.layer_norm.weight', [d]],
  ])
  addProjection(shapes, 'encoder_frontend.pre_linear', d, s)
  addProjection(shapes, 'denoiser.embed_time.fc1', d, 256)
  addProjection(shapes, 'denoiser.embed_time.fc2', d, d)
  addProjection(shapes, 'denoiser.initial_proj.fc', d, s)
  addProjection(shapes, 'denoiser.final_proj.fc', s, d)
  for (let i = 0; i < architecture.context_layers; i++) addLayer(shapes, `context_encoder.layers.${i}`, sizes, ['self_attn'])
  for (let i = 0; i < architecture.denoiser_layers; i++) {
    addLayer(shapes, `denoiser.layers.${i}`, sizes, ['self_attn', 'cross_attention'])
    addProjection(shapes, `denoiser.layers.${i}.modulator.fc`, 9 * d, d)
  }
  requireSmall(shapes, model)
  return { architecture: { ...architecture, max_seq_len: concepts }, shapes }
}

/** The same of a `base_lcm` case. */
export function readBaseLcm(model: CaseField, concepts: number): { architecture: BaseLcmArchitecture; shapes: Shapes } {
  const sizes = readSizes(model, 'base_lcm', ['layers'])
  const architecture = { ...sizes, layers: layers(model, 'layers'), max_seq_len: concepts }
  const { sonar_dim: s, model_dim: d } = architecture
  const shapes: Shapes = new Map([
    ['frontend.sonar_normalizer.center', [s]],
    ['frontend.sonar_normalizer.scale', [s]],
    ['lcm.layer_norm.weight', [d]],
  ])
  addProjection(shapes, 'frontend.pre_linear', d, s)
  addProjection(shapes, 'postnet.fc', s, d)
  for (let i = 0; i < architecture.layers; i++) addLayer(shapes, `lcm.layers.${i}`, sizes, ['self_attn'])
  requireSmall(shapes, model)
  return { architecture, shapes }
}

interface Sizes {
  sonar_dim: number
  model_dim: number
  heads: number
  ffn_inner: number
}

function readSizes(model: CaseField, type: string, layerKeys: string[]): Sizes {
  model.only(['type', 'prefix', 'multiply', 'sonar_dim', 'model_dim', 'heads', 'ffn_inner', ...layerKeys])
  model.at('type').oneOf([type], type)
  const modelDim = model.at('model_dim').integer(2, 4096)
  return {
    sonar_dim: model.at('sonar_dim').integer(2, 4096),
    model_dim: modelDim,
    heads: model.at('heads').integer(1, modelDim),
    // fairseq2's rule for SwiGLU where the case does not say.
    ffn_inner: model.at('ffn_inner').integer(1, 16_384, 256 * Math.ceil(Math.trunc((2 / 3) * 4 * modelDim) / 256)),
  }
}

function layers(model: CaseField, key: string): number {
  return model.at(key).integer(1, 64)
}

function addLayer(shapes: Shapes, name: string, { model_dim: d, ffn_inner: f }: Sizes, attentions: string[]): void {
  for (const attention of attentions) {
    shapes.set(`${name}.${attention}_layer_norm.weight`, [d])
    for (const part of ['q_proj', 'k_proj', 'v_proj', 'output_proj']) addProjection(shapes, `${name}.${attention}.${part}`, d, d)
  }
  shapes.set(`${name}.ffn_layer_norm.weight`, [d])
  addProjection(shapes, `${name}.ffn.gate_proj`, f, d)
  addProjection(shapes, `${name}.ffn.inner_proj`, f, d)
  addProjection(shapes, `${name}.ffn.output_proj`, d, f)
}

function addProjection(shapes: Shapes, name: string, rows: number, columns: number): void {
  shapes.set(`${name}.weight`, [rows, columns])
  shapes.set(`${name}.bias`, [rows])
}

function requireSmall(shapes: Shapes, model: CaseField): void {
  let parameters = 0
  for (const shape of shapes.values()) parameters += shape.reduce((product, length) => product * length, 1)
  if (parameters > maximumParameters) {
    throw new InvalidInput(`${model.path} has ${parameters} parameters; at most ${maximumParameters} are regenerated.`, { parameters })
  }
}
