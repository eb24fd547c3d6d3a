import { toFloat32 } from '../formats/float16'
import { loadBaseLcm, loadTwoTower } from '../models/machine'
import { Normalizer } from '../models/normalizer'
import { noiseSchedule } from '../models/schedule'
import type { CaseField } from './conformance-field'
import type { CaseSettings } from './conformance-generate'
import { readBaseLcm, readTwoTower } from './conformance-models'
import { type CaseReport, compare, type Output, type Tolerance } from './conformance-report'
import { readScheduler } from './conformance-schedules'
import { GeneratedWeights, readInput } from './conformance-values'

/** Kind `two_tower_forward`: a training pass, all positions or (with `source_lengths`) those after the source. */
export async function runTwoTowerForward(testCase: CaseField, settings: CaseSettings): Promise<CaseReport> {
  const inputs = testCase.at('inputs').only(['sequence', 'noise', 'lengths', 'timesteps', 'source_lengths'])
  testCase.at('options').only([])
  const sequence = readInput(inputs.at('sequence'))
  const noise = readInput(inputs.at('noise'))
  const [batch, length, dim] = sequence.shape
  if (sequence.shape.length !== 3 || !batch || !length || !dim) throw inputs.at('sequence').wrong('must have a shape [batch, length, dim]')
  if (noise.values.length !== sequence.values.length) throw inputs.at('noise').wrong('must have the shape of the sequence')
  const { architecture, shapes } = readTwoTower(testCase.at('model'), length)
  if (dim !== architecture.sonar_dim) throw inputs.at('sequence').wrong(`must have concepts of ${architecture.sonar_dim} numbers`)
  const scheduler = readScheduler(testCase.at('scheduler'))
  const timesteps = inputs
    .at('timesteps')
    .list()
    .map((row) => row.integers(0, scheduler.num_diffusion_train_steps - 1))
  const lengths = rowLengths(inputs.at('lengths'), batch, 1, length, length)
  const sources = rowLengths(inputs.at('source_lengths'), batch, 0, length - 1, 0)
  if (timesteps.length !== batch) throw inputs.at('timesteps').wrong(`must have ${batch} rows`)
  const expected = testCase.at('expected').only(['normalized', 'noisy', 't_emb', 'context', 'output'])

  const { alphasCumprod } = noiseSchedule(scheduler)
  const weights = new GeneratedWeights(shapes, testCase.at('model'), settings.weights === 'f16')
  const normalizer = generatedNormalizer(weights, 'sonar_normalizer')
  const model = await loadTwoTower(settings.machine, weights, architecture, scheduler)
  const outputs = new RowOutputs(expected, batch, settings.tolerance)
  try {
    for (let row = 0; row < batch; row++) {
      const start = row * length * dim
      const normalized = normalizer.normalize(sequence.values.subarray(start, start + lengths[row]! * dim))
      const positions = Array.from({ length: lengths[row]! - sources[row]! }, (_, i) => sources[row]! + i)
      const targets = positions.map((position) => {
        const at = position * dim
        const timestep = timesteps[row]![timesteps[row]!.length === positions.length ? position - sources[row]! : position]
        if (timestep === undefined) throw inputs.at('timesteps').wrong(`must have ${length} timesteps a row`)
        const clean = normalized.subarray(at, at + dim)
        return {
          noisy: addNoise(clean, noise.values.subarray(start + at, start + at + dim), alphasCumprod[timestep]!),
          timestep,
          visible: position,
        }
      })
      const { context, embeddings, predictions } = await model.forward(normalized, targets)
      model.truncate(0)
      outputs.add(row, 'normalized', normalized)
      outputs.add(row, 'noisy', concatenated(targets.map(({ noisy }) => noisy)))
      outputs.add(row, 't_emb', embeddings)
      outputs.add(row, 'context', concatenated(context))
      outputs.add(row, 'output', concatenated(predictions))
    }
    return compare(testCase.at('name').text(), 'two_tower_forward', outputs.list)
  } finally {
    model.dispose()
  }
}

/** Kind `base_lcm_forward`: the prediction for the next concept at every position. */
export async function runBaseLcmForward(testCase: CaseField, settings: CaseSettings): Promise<CaseReport> {
  const inputs = testCase.at('inputs').only(['sequence', 'lengths'])
  testCase.at('options').only([])
  const { shape, values } = readInput(inputs.at('sequence'))
  const [batch, length, dim] = shape
  if (shape.length !== 3 || !batch || !length || !dim) throw inputs.at('sequence').wrong('must have a shape [batch, length, dim]')
  const { architecture, shapes } = readBaseLcm(testCase.at('model'), length)
  if (dim !== architecture.sonar_dim) throw inputs.at('sequence').wrong(`must have concepts of ${architecture.sonar_dim} numbers`)
  const lengths = rowLengths(inputs.at('lengths'), batch, 1, length, length)
  const expected = testCase.at('expected').only(['normalized', 'forward', 'predict_next_sentence'])

  const weights = new GeneratedWeights(shapes, testCase.at('model'), settings.weights === 'f16')
  const normalizer = generatedNormalizer(weights, 'frontend.sonar_normalizer')
  const model = await loadBaseLcm(settings.machine, weights, architecture)
  const outputs = new RowOutputs(expected, batch, settings.tolerance)
  try {
    for (let row = 0; row < batch; row++) {
      const concepts = values.subarray(row * length * dim, (row * length + lengths[row]!) * dim)
      const predictions: Float32Array[] = []
      for (let start = 0; start < concepts.length; start += dim) {
        await model.append(concepts.subarray(start, start + dim))
        predictions.push(await model.predict({ noise: (count) => new Float32Array(count) }))
      }
      model.truncate(0)
      outputs.add(row, 'normalized', normalizer.normalize(concepts))
      // What the user gets is denormalised; normalising it again costs one rounding.
      outputs.add(row, 'forward', normalizer.normalize(concatenated(predictions)))
      outputs.add(row, 'predict_next_sentence', concatenated(predictions))
    }
    return compare(testCase.at('name').text(), 'base_lcm_forward', outputs.list)
  } finally {
    model.dispose()
  }
}

function generatedNormalizer(weights: GeneratedWeights, name: string): Normalizer {
  return new Normalizer(toFloat32(weights.get(`${name}.center`)), toFloat32(weights.get(`${name}.scale`)))
}

/** One number for every row of the batch. */
function rowLengths(field: CaseField, batch: number, minimum: number, maximum: number, absent: number): number[] {
  if (!field.given) return new Array<number>(batch).fill(absent)
  const lengths = field.integers(minimum, maximum)
  if (lengths.length !== batch) throw field.wrong(`must have ${batch} numbers`)
  return lengths
}

/** √ᾱ x + √(1 − ᾱ) ε, in f32 */
function addNoise(clean: Float32Array, noise: Float32Array, alpha: number): Float32Array {
  const [signal, spread] = [Math.fround(Math.sqrt(alpha)), Math.fround(Math.sqrt(Math.fround(1 - alpha)))]
  return clean.map((value, i) => Math.fround(signal * value) + Math.fround(spread * noise[i]!))
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** Pairs each row's outputs with the reference's, which are a list of rows or all rows in one list. */
class RowOutputs {
  readonly list: Output[] = []
  readonly #expected: CaseField
  readonly #batch: number
  readonly #tolerance: Tolerance

  constructor(expected: CaseField, batch: number, tolerance: Tolerance) {
    this.#expected = expected
    this.#batch = batch
    this.#tolerance = tolerance
  }

  add(row: number, name: string, got: Float32Array): void {
    const field = this.#expected.at(name)
    if (!field.given) return
    const rows = field.list()
    const all = field.numbers()
    const size = all.length / this.#batch
    const nested = rows.length === this.#batch && Array.isArray(rows[0]!.value)
    const expected = nested ? rows[row]!.numbers() : all.slice(row * size, (row + 1) * size)
    // In a ragged batch the reference's rows go on with padding.
    const compared = this.#batch > 1 && expected.length > got.length ? expected.slice(0, got.length) : expected
    this.list.push({ name: this.#batch > 1 ? `${name} row ${row}` : name, got, expected: compared, tolerance: this.#tolerance })
  }
}
