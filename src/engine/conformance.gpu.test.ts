import { beforeAll, describe, expect, test } from 'vitest'
import lcm from '../../../shared/conformance/lcm.json'
import schedules from '../../../shared/conformance/schedules.json'
import sonar from '../../../shared/conformance/sonar.json'
import { Aborted, InvalidInput } from '../errors'
import { type Gpu, requestGpu } from '../gpu'
import { generate } from '../models/generate'
import type { Machine } from '../models/machine'
import { twoTowerShapes } from '../models/shapes'
import { TwoTower } from '../models/two-tower'
import { runConformance } from './conformance'
import { CaseField } from './conformance-field'
import { GeneratedWeights, scaledStream } from './conformance-values'
import otherSonar from './sonar-cases.json'

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})

async function statuses(file: unknown, weights?: 'f32' | 'f16', machine: Machine = gpu) {
  return (await runConformance(file, machine, undefined, weights)).map(({ name, status, reason }) => ({
    name,
    status,
    ...(reason && { reason }),
  }))
}

const passed = (names: string[]) => names.map((name) => ({ name, status: 'passed' }))

describe('the reference’s numbers', () => {
  describe.each(['webgpu', 'wasm'] as const)('on %s', (backend) => {
    test.each(['f32', 'f16'] as const)('every case of lcm.json with %s parameters', async (weights) => {
      const machine = backend === 'wasm' ? 'wasm' : gpu
      expect(await statuses(lcm, weights, machine)).toEqual(passed(lcm.cases.map(({ name }) => name)))
    })
  })

  test.each(['f32', 'f16'] as const)('every case of sonar.json with %s parameters', async (weights) => {
    expect(await statuses(sonar, weights)).toEqual(passed(sonar.cases.map(({ name }) => name)))
  })

  // Written by training/tests/make_sonar_cases.py: beam search too, which sonar.json has no case of.
  test('the SONAR architecture in other sizes, as PyTorch computes it', async () => {
    expect(await statuses(otherSonar)).toEqual(passed(otherSonar.cases.map(({ name }) => name)))
  })

  test('every schedule and list of timesteps', async () => {
    const names = [...Object.keys(schedules.schedules), ...Object.keys(schedules.timesteps)]
    expect(await statuses(schedules)).toEqual(passed(names))
  })
})

/** A case of lcm.json, changed. */
function changed(name: string, change: (testCase: Case) => void) {
  const testCase = structuredClone(lcm.cases.find((candidate) => candidate.name === name)) as unknown as Case
  change(testCase)
  return { meta: lcm.meta, cases: [testCase] }
}

interface Case {
  [field: string]: unknown
  model: Record<string, unknown>
  options: Record<string, unknown>
  inputs: Record<string, unknown>
  scheduler: Record<string, unknown>
  expected: Record<string, unknown>
}

async function reportOf(file: unknown) {
  const [report] = await runConformance(file, gpu)
  return report!
}

test('a ragged batch draws noise as the reference does: for every row still in the batch, in row order', async () => {
  const sizes = { sonar_dim: 6, model_dim: 24, heads: 2, context_layers: 1, denoiser_layers: 1, ffn_inner: 40 }
  const model = { type: 'two_tower', prefix: 'r.', ...sizes }
  const architecture = { ...sizes, max_seq_len: 10 }
  const inputs = {
    prompt: { stream: 'ragged', shape: [2, 4, 6], amp: 1 },
    prompt_lengths: [4, 2],
    initial_noise: {
      stream_pattern: 'start<i>',
      amp: 1.5,
      shapes: [
        [2, 1, 6],
        [2, 1, 6],
        [2, 1, 6],
        [1, 1, 6],
        [1, 1, 6],
      ],
    },
    variance_noise: { stream_pattern: 'v<i>.<k>', amp: 0.9 },
  }
  // Every concept but the first two counts as a repetition, and the one that ends its row is cut off.
  const options = { inference_timesteps: 4, ddim_eta: 0.5, guidance_scale: 2, max_gen_len: 9, min_gen_len: 2, trim_hypotheses: true }
  const active = [2, 2, 2, 1, 1]
  const weights = new GeneratedWeights(twoTowerShapes(architecture), new CaseField(model, 'model'), false)
  const twoTower = await TwoTower.load(gpu, weights, architecture)
  const generated: number[][] = []
  for (const [row, length] of inputs.prompt_lengths.entries()) {
    const prompt = scaledStream('ragged', 48, 1).slice(row * 24, row * 24 + length * 6)
    const noise = (position: number) => {
      const draw = position - 2
      const slot = active[draw] === 2 ? row : 0
      const names = [`start${draw}`, ...[0, 1, 2, 3].map((k) => `v${draw}.${k}`)]
      return () => {
        const name = names.shift()!
        return scaledStream(name, active[draw]! * 6, name.startsWith('s') ? 1.5 : 0.9).slice(slot * 6, slot * 6 + 6)
      }
    }
    generated.push([])
    const sampling = { steps: 4, eta: 0.5, guidanceScale: 2 }
    for await (const { concept } of generate(twoTower, prompt, { noise, sampling, maxConcepts: 2 })) generated[row]!.push(...concept)
    twoTower.truncate(0)
  }
  twoTower.dispose()

  const expected = { generated, generated_lengths: [2, 2] }
  const testCase = { name: 'ragged', kind: 'two_tower_generate', model, inputs, expected, tolerance: 1e-12 }
  const repeating = { ...options, stop_on_repetition_cosine_threshold: -1.5 }
  expect(await statuses({ cases: [{ ...testCase, options: repeating }] })).toEqual(passed(['ragged']))
  const [longer] = await runConformance({ cases: [{ ...testCase, options: { ...repeating, include_eos_token: true } }] }, gpu)
  expect(longer!.reason).toContain('generated_lengths')
})

describe('what differs is noticed', () => {
  test.each([
    ['a seed', (c: Case) => (c.model.prefix = 'x')],
    ['the guidance', (c: Case) => (c.options.guidance_scale = 2.9)],
    ['the rescale', (c: Case) => (c.options.guidance_rescale = 0.69)],
    ['the epsilon scaling', (c: Case) => (c.options.epsilon_scaling = 1.1)],
    ['the schedule', (c: Case) => (c.scheduler.rescale_betas_zero_snr = false)],
    ['the spacing', (c: Case) => (c.scheduler.timestep_spacing = 'leading')],
    ['the prediction type', (c: Case) => (c.scheduler.prediction_type = 'v_prediction')],
    ['clipped estimates', (c: Case) => (c.options.thresholding = true)],
    ['the length', (c: Case) => (c.options.max_gen_len = 2)],
    ['the tolerance', (c: Case) => (c.tolerance = 1e-9)],
  ])('%s', async (_, change) => {
    const report = await reportOf(changed('gen_cfg_S10', change))
    expect(report.status).toBe('failed')
    expect(report.reason).toBeTruthy()
  })

  test('a case says how far each array is off and where', async () => {
    const report = await reportOf(changed('gen_cfg_S10', (c) => ((c.expected.generated as number[][])[0]![5]! += 0.5)))
    const generated = report.arrays.find(({ name }) => name === 'generated')!
    expect(generated.maxAbsolute).toBeCloseTo(0.5, 4)
    expect(generated.worst.index).toBe(5)
    expect(report.arrays.find(({ name }) => name === 'trace x0')!.maxRelative).toBeLessThan(2e-5)
  })
})

describe('what is not known is not covered', () => {
  test.each([
    ['kind', (c: Case) => (c.kind = 'two_tower_dream')],
    ['beam', (c: Case) => (c.beam = 2)],
    ['model.qk_norm', (c: Case) => (c.model.qk_norm = true)],
    ['options.temperature_of_things', (c: Case) => (c.options.temperature_of_things = 1)],
    ['inputs.mask', (c: Case) => (c.inputs.mask = [])],
    ['inputs.prompt.seed', (c: Case) => ((c.inputs.prompt as Record<string, unknown>).seed = 1)],
    ['scheduler.karras', (c: Case) => (c.scheduler.karras = true)],
    ['scheduler.beta_schedule', (c: Case) => (c.scheduler.beta_schedule = 'laplace')],
    ['expected.attention', (c: Case) => (c.expected.attention = [1])],
    ['tolerance', (c: Case) => (c.tolerance = 'roughly')],
  ])('%s', async (field, change) => {
    const report = await reportOf(changed('gen_cfg_S10', change))
    expect(report.status).toBe('not covered')
    expect(report.reason).toContain(field)
  })
})

describe('a malformed file', () => {
  test.each([[null], [[]], ['cases'], [{ cases: {} }], [{ cases: [null] }], [{ cases: [{ name: 1 }] }]])('%j is refused', async (file) => {
    await expect(runConformance(file, gpu)).rejects.toThrow(InvalidInput)
  })

  test.each([
    ['model.model_dim', (c: Case) => (c.model.model_dim = 1e9)],
    ['model.heads', (c: Case) => (c.model.heads = -1)],
    ['model', (c: Case) => Object.assign(c.model, { model_dim: 4096, denoiser_layers: 64 })],
    ['model_dim', (c: Case) => (c.model.heads = 5)],
    ['options.inference_timesteps', (c: Case) => (c.options.inference_timesteps = '10')],
    ['options.max_gen_len', (c: Case) => (c.options.max_gen_len = 1e12)],
    ['inputs.prompt', (c: Case) => (c.inputs.prompt = { stream: 'p', shape: [1e5, 1e5, 16], amp: 1 })],
    ['inputs.prompt.shape', (c: Case) => (c.inputs.prompt = { stream: 'p', shape: 'large' })],
    ['inputs.prompt_lengths', (c: Case) => (c.inputs.prompt_lengths = [9])],
    ['expected.generated', (c: Case) => (c.expected.generated = [['a']])],
    ['inputs', (c: Case) => (c.options.eos_threshold = 0.9)],
    ['rescale_betas_zero_snr', (c: Case) => (c.scheduler.prediction_type = 'epsilon')],
  ])('a case with a bad %s fails with a sentence', async (field, change) => {
    const report = await reportOf(changed('gen_cfg_S10', change))
    expect(report.status).toBe('failed')
    expect(report.reason).toContain(field)
  })

  test('an abort ends the run', async () => {
    await expect(runConformance(lcm, gpu, AbortSignal.abort())).rejects.toThrow(Aborted)
  })
})
