import { InvalidInput } from '../errors'
import type { BaseLcmArchitecture, TwoTowerArchitecture } from '../formats/concept-model-manifest'
import { baseLcmShapes, type Shapes, twoTowerShapes } from '../models/shapes'
import type { CaseField } from './conformance-field'

/** Most parameters a case's model may have: it is made number by number. */
const maximumParameters = 30_000_000

/** The architecture of a `two_tower` case, with room for `concepts` concepts, and its tensors. @throws InvalidInput, NotCovered. */
export function readTwoTower(model: CaseField, concepts: number): { architecture: TwoTowerArchitecture; shapes: Shapes } {
  const architecture = {
    ...readSizes(model, 'two_tower', ['context_layers', 'denoiser_layers']),
    context_layers: layers(model, 'context_layers'),
    denoiser_layers: layers(model, 'denoiser_layers'),
    max_seq_len: concepts,
  }
  const shapes = twoTowerShapes(architecture)
  requireSmall(shapes, model)
  return { architecture, shapes }
}

/** The same of a `base_lcm` case. */
export function readBaseLcm(model: CaseField, concepts: number): { architecture: BaseLcmArchitecture; shapes: Shapes } {
  const architecture = { ...readSizes(model, 'base_lcm', ['layers']), layers: layers(model, 'layers'), max_seq_len: concepts }
  const shapes = baseLcmShapes(architecture)
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

/** @throws InvalidInput when the model is too large to be made number by number. */
export function requireSmall(shapes: Shapes, model: CaseField): void {
  let parameters = 0
  for (const shape of shapes.values()) parameters += shape.reduce((product, length) => product * length, 1)
  if (parameters > maximumParameters) {
    throw new InvalidInput(`${model.path} has ${parameters} parameters; at most ${maximumParameters} are regenerated.`, { parameters })
  }
}
