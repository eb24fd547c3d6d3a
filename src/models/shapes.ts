import type {
  BaseLcmArchitecture,
  OneTowerArchitecture,
  QuantLcmArchitecture,
  QuantLcmFamily,
  TwoTowerArchitecture,
} from '../formats/concept-model-manifest'

/** The tensors of a checkpoint: name → shape (reference/lcm.md §2, §3; `OneTower`, `QuantLcm`). */
export type Shapes = Map<string, number[]>

export function twoTowerShapes(architecture: Omit<TwoTowerArchitecture, 'max_seq_len'>): Shapes {
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
  for (let i = 0; i < architecture.context_layers; i++) addLayer(shapes, `context_encoder.layers.${i}`, architecture, ['self_attn'])
  for (let i = 0; i < architecture.denoiser_layers; i++) {
    addLayer(shapes, `denoiser.layers.${i}`, architecture, ['self_attn', 'cross_attention'])
    addProjection(shapes, `denoiser.layers.${i}.modulator.fc`, 9 * d, d)
  }
  return shapes
}

export function baseLcmShapes(architecture: Omit<BaseLcmArchitecture, 'max_seq_len'>): Shapes {
  const { sonar_dim: s, model_dim: d } = architecture
  const shapes: Shapes = new Map([
    ['frontend.sonar_normalizer.center', [s]],
    ['frontend.sonar_normalizer.scale', [s]],
    ['lcm.layer_norm.weight', [d]],
  ])
  addProjection(shapes, 'frontend.pre_linear', d, s)
  addProjection(shapes, 'postnet.fc', s, d)
  for (let i = 0; i < architecture.layers; i++) addLayer(shapes, `lcm.layers.${i}`, architecture, ['self_attn'])
  return shapes
}

export function oneTowerShapes(architecture: OneTowerArchitecture): Shapes {
  const { sonar_dim: s, model_dim: d, timestep_embed_dim: e } = architecture
  const shapes: Shapes = new Map([
    ['frontend.sonar_normalizer.center', [s]],
    ['frontend.sonar_normalizer.scale', [s]],
    ['frontend.pos_encoder.weight', [architecture.max_seq_len + 1, d]],
    ['lcm.layer_norm.weight', [d]],
  ])
  addProjection(shapes, 'frontend.embed_time.fc1', e, 256)
  addProjection(shapes, 'frontend.embed_time.fc2', e, e)
  addProjection(shapes, 'frontend.pre_linear', d, s + e)
  addProjection(shapes, 'postnet.fc', s, d)
  for (let i = 0; i < architecture.layers; i++) addLayer(shapes, `lcm.layers.${i}`, architecture, ['self_attn'])
  return shapes
}

export function quantLcmShapes(family: QuantLcmFamily, architecture: QuantLcmArchitecture): Shapes {
  const { sonar_dim: s, model_dim: d, codebook_embed_dim: e, n_codebooks: codebooks, n_units_per_codebook: units } = architecture
  const shapes: Shapes = new Map([
    ['frontend.sonar_normalizer.center', [s]],
    ['frontend.sonar_normalizer.scale', [s]],
    ['frontend.embed_codebook.weight', [codebooks + 1, e]],
    ['frontend.pos_encoder.weight', [architecture.max_seq_len + 1, d]],
    ['lcm.layer_norm.weight', [d]],
  ])
  addProjection(shapes, 'frontend.pre_linear', d, s + e)
  addProjection(shapes, 'postnet.fc', family === 'quant_lcm_d' ? units : s, d)
  for (let i = 0; i < architecture.layers; i++) addLayer(shapes, `lcm.layers.${i}`, architecture, ['self_attn'])
  for (let i = 0; i < codebooks; i++) shapes.set(`quantizer.codebooks.${i}.weight`, [units, s])
  return shapes
}

function addLayer(
  shapes: Shapes,
  name: string,
  { model_dim: d, ffn_inner: f }: { model_dim: number; ffn_inner: number },
  attentions: string[],
): void {
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
