import { toFloat32 } from '../formats/float16'
import type { Shapes } from '../models/shapes'
import { float32, Graph, int64, type Tensor } from '../onnx'
import { encoderInputs } from '../space/encoder'
import { conditioningInputs, type DecoderGraphs, stepInputs } from '../space/stepper'
import type { CaseField } from './conformance-field'
import { requireSmall } from './conformance-models'
import { GeneratedWeights } from './conformance-values'
import conditioningUrl from './sonar-graphs/decoder-conditioning.onnx?url'
import stepUrl from './sonar-graphs/decoder-step.onnx?url'
import encoderUrl from './sonar-graphs/encoder.onnx?url'

/** Layers of the graphs, SONAR's own depth (sonar.md §1). */
const graphLayers = 24

/** The sizes of a `sonar_text` case (conformance README §3). */
export interface SonarModel {
  vocabulary: number
  dim: number
  heads: number
  inner: number
  layers: { encoder: number; decoder: number }
  /** Rows of the position tables: most tokens of a source and of a target. */
  positions: { encoder: number; decoder: number }
  pad: number
  eos: number
}

/** @throws InvalidInput, NotCovered. */
export function readSonar(model: CaseField): SonarModel {
  model.only([...Object.keys(sonarDefaults), 'type', 'prefix', 'multiply', 'vocab', 'model_dim', 'heads', 'ffn_inner'])
  model.at('type').oneOf(['sonar_text'], 'sonar_text')
  const vocabulary = model.at('vocab').integer(8, 300_000)
  const dim = model.at('model_dim').integer(4, 4096)
  const heads = model.at('heads').integer(1, dim)
  if (dim % 2 !== 0 || dim % heads !== 0) throw model.at('heads').wrong('must divide an even model_dim')
  const integer = (key: keyof typeof sonarDefaults, most: number) => model.at(key).integer(0, most, sonarDefaults[key])
  return {
    vocabulary,
    dim,
    heads,
    inner: model.at('ffn_inner').integer(1, 16_384),
    layers: { encoder: integer('encoder_layers', graphLayers), decoder: integer('decoder_layers', graphLayers) },
    positions: { encoder: integer('encoder_position_table', 8192), decoder: integer('decoder_position_table', 8192) },
    pad: integer('pad_idx', vocabulary - 1),
    eos: integer('eos_idx', vocabulary - 1),
  }
}

/** What a case may leave out: SONAR's own values (sonar.md §§1, 2, 4). */
const sonarDefaults = {
  encoder_layers: graphLayers,
  decoder_layers: graphLayers,
  encoder_position_table: 514,
  decoder_position_table: 512,
  pad_idx: 1,
  unk_idx: 1,
  bos_idx: 2,
  eos_idx: 3,
}

/** The graphs of a space whose weights a case regenerates. */
export interface SonarGraphs {
  encoder: Graph
  decoder: DecoderGraphs
}

/**
 * The graphs of `training/noema_training/open_graphs.py`, the exporter's own with all weights as inputs, given the weights of a case.
 * Layers the case does not have get zeros, which leaves what passes through them as it is, to the last bit.
 */
export class SonarSpace {
  readonly #opened: Graph[] = []
  readonly #model: SonarModel
  readonly #field: CaseField
  readonly #half: boolean

  /** @throws InvalidInput when the model is too large to be regenerated. */
  constructor(model: SonarModel, field: CaseField, half: boolean) {
    this.#model = model
    this.#field = field
    this.#half = half
    const shapes = [...towerShapes(model, 'encoder'), ...towerShapes(model, 'decoder')]
    requireSmall(new Map(shapes.map(([name, shape], i) => [`${i} ${name}`, shape])), field)
  }

  async encoder(): Promise<Graph> {
    return this.#open(encoderUrl, encoderInputs, constants(this.#model, 'encoder', this.#field, this.#half))
  }

  async decoder(): Promise<DecoderGraphs> {
    const tensors = [...constants(this.#model, 'decoder', this.#field, this.#half)]
    const isCross = ([name]: [string, Tensor]) => name.includes('encoder_decoder_attn')
    const conditioning = await this.#open(conditioningUrl, conditioningInputs, new Map(tensors.filter(isCross)))
    const step = await this.#open(stepUrl, stepInputs, new Map(tensors.filter((entry) => !isCross(entry))))
    const { heads, dim } = this.#model
    return { conditioning, step, layers: graphLayers, heads, headDim: dim / heads }
  }

  async release(): Promise<void> {
    await Promise.all(this.#opened.map((graph) => graph.release()))
  }

  async #open(url: string, inputs: readonly string[], tensors: Map<string, Tensor>): Promise<Graph> {
    const file = new Uint8Array(await (await fetch(url)).arrayBuffer())
    const graph = await Graph.load(url, file, inputs, { constants: Object.fromEntries(tensors) })
    this.#opened.push(graph)
    return graph
  }
}

type Tower = 'encoder' | 'decoder'

/** Tensors of one tower under the reference's names (sonar.md §5), without what has no effect (§3). */
function towerShapes({ vocabulary, dim, inner, layers }: SonarModel, tower: Tower): Shapes {
  const shapes: Shapes = new Map([
    [`${tower}_frontend.embed.weight`, [vocabulary, dim]],
    [tower === 'encoder' ? 'layer_norm.weight' : 'decoder.layer_norm.weight', [dim]],
    [tower === 'encoder' ? 'layer_norm.bias' : 'decoder.layer_norm.bias', [dim]],
  ])
  for (let i = 0; i < layers[tower]; i++) for (const [name, shape] of layerShapes(tower, i, dim, inner)) shapes.set(name, shape)
  return shapes
}

function layerShapes(tower: Tower, index: number, dim: number, inner: number): Shapes {
  const shapes: Shapes = new Map()
  const add = (name: string, weight: number[], bias: number) => {
    shapes.set(`${tower}.layers.${index}.${name}.weight`, weight)
    shapes.set(`${tower}.layers.${index}.${name}.bias`, [bias])
  }
  for (const norm of ['self_attn_layer_norm', 'ffn_layer_norm']) add(norm, [dim], dim)
  for (const part of ['q_proj', 'k_proj', 'v_proj', 'output_proj']) add(`self_attn.${part}`, [dim, dim], dim)
  if (tower === 'decoder') for (const part of ['v_proj', 'output_proj']) add(`encoder_decoder_attn.${part}`, [dim, dim], dim)
  add('ffn.inner_proj', [inner, dim], inner)
  add('ffn.output_proj', [dim, inner], dim)
  return shapes
}

/** Every input of a tower's graphs that is the same in all runs. */
function constants(model: SonarModel, tower: Tower, field: CaseField, half: boolean): Map<string, Tensor> {
  const shapes = towerShapes(model, tower)
  const stream = tower === 'encoder' ? 'E.' : 'D.'
  const weights = new GeneratedWeights(new Map([...shapes].map(([name, shape]) => [stream + name, shape])), field, half)
  const tensors = new Map<string, Tensor>([
    [`${tower}_frontend.positions`, float32(sinusoids(model, tower), [model.positions[tower], model.dim])],
    ['heads', int64([model.heads], [])],
  ])
  if (tower === 'decoder') tensors.set('no_bias', float32(new Float32Array(model.vocabulary), [model.vocabulary]))
  for (const [name, shape] of shapes) tensors.set(name, float32(toFloat32(weights.get(stream + name)), shape))
  const zeros = new Float32Array(model.dim * model.dim)
  for (let i = model.layers[tower]; i < graphLayers; i++) {
    for (const [name, shape] of layerShapes(tower, i, model.dim, 1)) {
      const size = shape.reduce((product, length) => product * length, 1)
      tensors.set(name, float32(zeros.subarray(0, size), shape))
    }
  }
  return tensors
}

/** [positions, dim], sines before cosines; the first row is position pad + 1 (sonar.md §2). */
function sinusoids({ dim, positions, pad }: SonarModel, tower: Tower): Float32Array {
  const half = dim / 2
  const table = new Float32Array(positions[tower] * dim)
  for (let row = 0; row < positions[tower]; row++) {
    for (let i = 0; i < half; i++) {
      const angle = (row + pad + 1) * Math.exp((-i * Math.log(10000)) / (half - 1))
      table[row * dim + i] = Math.sin(angle)
      table[row * dim + half + i] = Math.cos(angle)
    }
  }
  return table
}
