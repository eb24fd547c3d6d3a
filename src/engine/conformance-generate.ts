import { InvalidInput } from '../errors'
import type { ConceptModel, DenoisingStep, NoiseSource, SamplingOptions } from '../models/concept-model'
import type { GenerateOptions } from '../models/generate'
import { loadBaseLcm, loadTwoTower, type Machine } from '../models/machine'
import { inferenceTimesteps, schedulerDefaults } from '../models/schedule'
import { type CaseField, NotCovered } from './conformance-field'
import { readBaseLcm, readTwoTower } from './conformance-models'
import { type CaseReport, compare, exact, type Output, type Tolerance } from './conformance-report'
import { type CasePrompt, type GeneratedRow, generateRows, longest } from './conformance-rows'
import { readScheduler } from './conformance-schedules'
import { GeneratedWeights, readInput, scaledStream } from './conformance-values'

/** What every kind of case is run with. */
export interface CaseSettings {
  machine: Machine
  signal: AbortSignal | undefined
  weights: 'f32' | 'f16'
  tolerance: Tolerance
}

/** Concepts asked of one case at most. */
const maximumConcepts = 2000

/** Kind `two_tower_generate`: a batch of prompts continued in lockstep, as the reference does it. */
export async function runTwoTowerGenerate(testCase: CaseField, settings: CaseSettings): Promise<CaseReport> {
  const inputs = testCase.at('inputs').only(['prompt', 'prompt_lengths', 'initial_noise', 'variance_noise', 'eos_vec'])
  const options = testCase.at('options').only([...generationKeys, ...samplingKeys])
  const prompts = readPrompts(inputs)
  const generation = readGeneration(options, inputs)
  const schedulerField = testCase.at('scheduler')
  const scheduler = readScheduler(schedulerField, schedulerDefaults, limitKeys)
  const sampling = { ...readSampling(options, scheduler.num_diffusion_train_steps), ...readLimits(options, schedulerField) }
  const { architecture, shapes } = readTwoTower(testCase.at('model'), longest(prompts) + generation.maxConcepts)
  const draws = new Draws(inputs, architecture.sonar_dim)
  const expected = testCase.at('expected').only(expectedKeys)

  const weights = new GeneratedWeights(shapes, testCase.at('model'), settings.weights === 'f16')
  const model = await loadTwoTower(settings.machine, weights, architecture, scheduler)
  try {
    const rows = await generateRows(model, prompts, { ...generation, sampling, signal: settings.signal }, (...draw) =>
      draws.source(...draw),
    )
    const outputs = compareRows(rows, options, expected, settings.tolerance)
    if (expected.at('timesteps').given) {
      const got = inferenceTimesteps(scheduler, sampling.steps, 'reference').map(({ timestep }) => timestep)
      outputs.push({ name: 'timesteps', got, expected: expected.at('timesteps').numbers(), tolerance: exact })
    }
    for (const key of ['first_concept_trace', 'first_concept_trace_first4']) {
      if (!expected.at(key).given) continue
      const trace = await traceFirstConcept(model, prompts, sampling, draws)
      outputs.push(...compareTrace(trace, expected.at(key), sampling.clipNoise, settings.tolerance))
    }
    return compare(testCase.at('name').text(), 'two_tower_generate', outputs)
  } finally {
    model.dispose()
  }
}

/** Kind `base_lcm_generate`: without sampling noise. */
export async function runBaseLcmGenerate(testCase: CaseField, settings: CaseSettings): Promise<CaseReport> {
  const inputs = testCase.at('inputs').only(['prompt', 'prompt_lengths', 'eos_vec'])
  const options = testCase.at('options').only([...generationKeys, 'sample_latent_variable'])
  if (options.at('sample_latent_variable').boolean(true)) throw new NotCovered('Sampling noise (sample_latent_variable) is not covered.')
  const prompts = readPrompts(inputs)
  const generation = readGeneration(options, inputs)
  const { architecture, shapes } = readBaseLcm(testCase.at('model'), longest(prompts) + generation.maxConcepts)
  const expected = testCase.at('expected').only(['generated', 'generated_lengths'])

  const weights = new GeneratedWeights(shapes, testCase.at('model'), settings.weights === 'f16')
  const model = await loadBaseLcm(settings.machine, weights, architecture)
  try {
    const rows = await generateRows(model, prompts, { ...generation, signal: settings.signal }, () => (count) => new Float32Array(count))
    return compare(testCase.at('name').text(), 'base_lcm_generate', compareRows(rows, options, expected, settings.tolerance))
  } finally {
    model.dispose()
  }
}

const generationKeys = [
  'max_gen_len',
  'min_gen_len',
  'eos_threshold',
  'stop_on_repetition_cosine_threshold',
  'trim_hypotheses',
  'include_eos_token',
]
const limitKeys = ['thresholding', 'dynamic_thresholding_ratio', 'sample_max_value', 'clip_sample', 'clip_sample_range']
const samplingKeys = [
  ...limitKeys,
  'inference_timesteps',
  'guidance_scale',
  'guidance_rescale',
  'ddim_eta',
  'initial_noise_scale',
  'epsilon_scaling',
  'clip_noise',
]
const expectedKeys = ['timesteps', 'generated', 'generated_lengths', 'first_concept_trace', 'first_concept_trace_first4']

/** Raw prompts [n, dim], one a row of the batch. */
function readPrompts(inputs: CaseField): CasePrompt[] {
  const { shape, values } = readInput(inputs.at('prompt'))
  const [batch, length, dim] = shape
  if (shape.length !== 3 || !batch || !length || !dim) throw inputs.at('prompt').wrong('must have a shape [batch, length, dim]')
  const lengths = inputs.at('prompt_lengths').given
    ? inputs.at('prompt_lengths').integers(1, length)
    : new Array<number>(batch).fill(length)
  if (lengths.length !== batch) throw inputs.at('prompt_lengths').wrong(`must have ${batch} lengths`)
  if (batch > 64 || length > maximumConcepts) throw inputs.at('prompt').wrong('is too large to run')
  return lengths.map((rowLength, row) => {
    const start = row * length * dim
    return { values: values.slice(start, start + rowLength * dim), length: rowLength, dim }
  })
}

function readGeneration(options: CaseField, inputs: CaseField): Omit<GenerateOptions, 'noise'> {
  const endOfText = inputs.at('eos_vec')
  const threshold = options.at('eos_threshold')
  const repetition = options.at('stop_on_repetition_cosine_threshold')
  if (!options.at('max_gen_len').given) throw new NotCovered('A case without options.max_gen_len is not covered.')
  if (threshold.given && !endOfText.given) throw inputs.wrong('must have eos_vec when options have eos_threshold')
  return {
    maxConcepts: options.at('max_gen_len').integer(1, maximumConcepts),
    minConcepts: options.at('min_gen_len').integer(0, maximumConcepts, 1),
    ...(threshold.given && {
      endOfText: { concept: Float32Array.from(endOfText.numbers()), threshold: threshold.number(-2, 2) },
    }),
    ...(repetition.given && { repetitionThreshold: repetition.number(-2, 2) }),
  }
}

type CaseSampling = SamplingOptions & { steps: number; clipNoise: number }

function readSampling(options: CaseField, trainSteps: number): CaseSampling {
  const number = (key: string, minimum: number, maximum: number, absent: number) => options.at(key).number(minimum, maximum, absent)
  return {
    steps: options.at('inference_timesteps').integer(1, trainSteps, Math.min(100, trainSteps)),
    guidanceScale: number('guidance_scale', 0, 1000, 1),
    guidanceRescale: number('guidance_rescale', 0, 1, 0),
    initialNoiseScale: number('initial_noise_scale', 0, 1000, 1),
    epsilonScaling: number('epsilon_scaling', 0.01, 100, 1),
    eta: number('ddim_eta', 0, 1, 0),
    clipNoise: number('clip_noise', 0, 1e9, 100),
  }
}

/** Thresholding and clipping of the estimate stand among the options or in the scheduler. */
function readLimits(options: CaseField, scheduler: CaseField): Pick<SamplingOptions, 'dynamicThreshold' | 'clipEstimate'> {
  const at = (key: string) => (options.at(key).given || !scheduler.given ? options.at(key) : scheduler.at(key))
  if (at('thresholding').boolean(false)) {
    const ratio = at('dynamic_thresholding_ratio').number(0, 1, 0.995)
    return { dynamicThreshold: { ratio, maximum: at('sample_max_value').number(1, 1e9, 6) } }
  }
  return at('clip_sample').boolean(false) ? { clipEstimate: at('clip_sample_range').number(0, 1e9, 1) } : {}
}

/** The noise of a case: one draw for every generated position, for the rows that are still active. */
class Draws {
  readonly #initial: CaseField
  readonly #variance: CaseField
  readonly #dim: number

  constructor(inputs: CaseField, dim: number) {
    this.#initial = inputs.at('initial_noise').only(['stream_pattern', 'amp', 'shapes'])
    this.#variance = inputs.at('variance_noise').only(['stream_pattern', 'amp', 'shape', 'shapes'])
    this.#dim = dim
  }

  /** What row `slot` of `active` rows draws in draw `index`: first its initial latent, then η's noise of each step. */
  source(index: number, slot: number, active: number): NoiseSource {
    const shapes = this.#initial.at('shapes')
    const rows = shapes.given ? shapes.list()[index]?.integers(1, maximumConcepts)[0] : active
    if (rows !== active) throw new InvalidInput(`Draw ${index} has ${active} active rows here and ${rows ?? 'none'} in the reference.`)
    let step = -1
    return () => {
      const field = step < 0 ? this.#initial : this.#variance
      const name = field.at('stream_pattern').text().replaceAll('<i>', String(index)).replaceAll('<k>', String(step++))
      const values = scaledStream(name, active * this.#dim, field.at('amp').number(-1e6, 1e6, 1))
      return values.slice(slot * this.#dim, (slot + 1) * this.#dim)
    }
  }
}

/** The hypotheses as the reference returns them: without the concept that stopped them, if so asked. */
function compareRows(rows: readonly GeneratedRow[], options: CaseField, expected: CaseField, tolerance: Tolerance): Output[] {
  const trim = options.at('trim_hypotheses').boolean(false) && !options.at('include_eos_token').boolean(false)
  const hypotheses = rows.map(({ concepts, similar }) => (trim && similar ? concepts.slice(0, -1) : concepts))
  const outputs: Output[] = []
  if (expected.at('generated_lengths').given) {
    const got = hypotheses.map(({ length }) => length)
    outputs.push({ name: 'generated_lengths', got, expected: expected.at('generated_lengths').numbers(), tolerance: exact })
  }
  if (expected.at('generated').given) {
    const wanted = expected.at('generated').list()
    if (wanted.length !== hypotheses.length) throw expected.at('generated').wrong(`must have ${hypotheses.length} rows`)
    hypotheses.forEach((concepts, row) => {
      const name = hypotheses.length === 1 ? 'generated' : `generated row ${row}`
      outputs.push({ name, got: concepts.flatMap((concept) => [...concept]), expected: wanted[row]!.numbers(), tolerance })
    })
  }
  return outputs
}

/** The steps of the first draw for row 0, whose prompt may go on beyond the shortest. */
async function traceFirstConcept(
  model: ConceptModel,
  prompts: readonly CasePrompt[],
  sampling: CaseSampling,
  draws: Draws,
): Promise<DenoisingStep[]> {
  const first = Math.min(...prompts.map(({ length }) => length))
  const { values, dim } = prompts[0]!
  const trace: DenoisingStep[] = []
  await model.append(values.subarray(0, first * dim))
  await model.predict({ noise: draws.source(0, 0, prompts.length), sampling, onStep: (step) => trace.push(step) })
  return trace
}

/** The reference's trace may show the first elements only, and its latents are not clamped yet. */
function compareTrace(trace: DenoisingStep[], expected: CaseField, clipNoise: number, tolerance: Tolerance): Output[] {
  const steps = expected.list().map((step) => {
    step.only(['t', 'x0', 'prev'])
    return { t: step.at('t').integer(0, 1e6), x0: step.at('x0').numbers(), prev: step.at('prev').numbers() }
  })
  const start = (values: Float32Array | undefined, length: number) => [...(values?.subarray(0, length) ?? [])]
  const clamp = (value: number) => Math.min(Math.max(value, -clipNoise), clipNoise)
  return [
    { name: 'trace t', got: trace.map(({ timestep }) => timestep), expected: steps.map(({ t }) => t), tolerance: exact },
    {
      name: 'trace x0',
      got: steps.flatMap(({ x0 }, i) => start(trace[i]?.estimate, x0.length)),
      expected: steps.flatMap(({ x0 }) => x0),
      tolerance,
    },
    {
      name: 'trace prev',
      got: steps.flatMap(({ prev }, i) => start(trace[i]?.latent, prev.length)),
      expected: steps.flatMap(({ prev }) => prev.map(clamp)),
      tolerance,
    },
  ]
}
