import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gpu, requestGpu } from '../../gpu'
import { loadCentroidDistances } from '../centroid-distances'
import { centroidDistancesReference } from '../centroid-distances/reference'
import { createCursor, writeCursor } from '../cursor'
import type { WeightType } from '../matrix-kernel'
import { kinds, numbers, weightTensor } from '../testing'
import { loadRefineStep, type RefineStep, type RefineStepArguments } from '.'
import { chosenUnit } from './reference'

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

type Options = Pick<RefineStepArguments, 'scores' | 'guidanceScale' | 'temperature' | 'topK'>

const greedy: Options = { scores: 'logits', guidanceScale: 1, temperature: 0, topK: 1 }

/** Centroids [units, 3] that say which they are, in numbers that half precision has: unit % 1024, the whole 1024s in it, and 0.5. */
function labels(units: number): Float32Array {
  return Float32Array.from(Array.from({ length: units }, (_, unit) => [unit % 1024, Math.floor(unit / 1024), 0.5]).flat())
}

const forms: { lanes: number; weightType: WeightType }[] = [
  { lanes: 16, weightType: 'f32' },
  { lanes: 256, weightType: 'f32' },
  { lanes: 16, weightType: 'f16' },
]

describe.each(forms)('refineStep with $lanes lanes, centroids in $weightType', ({ lanes, weightType }) => {
  let op: RefineStep
  beforeAll(async () => {
    op = await loadRefineStep(gpu, weightType, lanes)
  })

  /** The units chosen for each draw in turn; whatever else the step does is checked. */
  async function choices(values: Float32Array, units: number, options: Options, draws: number[]): Promise<number[]> {
    const dim = 3
    const steps = draws.length
    const [total, cursor] = [gpu.tensor('total', [1, dim]), createCursor(gpu)]
    writeCursor(gpu, cursor, { position: 5, contextLength: 7, step: 0 })
    const program = gpu.program('step')
    op.record(program, {
      ...options,
      values: gpu.tensor('values', [values.length / units, units], { data: values }),
      draws: gpu.tensor('draws', [steps], { data: Float32Array.from(draws) }),
      codebook: weightTensor(gpu, [units, dim], labels(units), weightType).tensor,
      total,
      cursor,
    })
    const chosen: number[] = []
    for (let step = 0; step < steps; step++) {
      gpu.submit([program])
      const [low, high, halves] = await gpu.read(total)
      expect(halves).toBe(0.5 * (step + 1))
      chosen.push(low! + 1024 * high! - chosen.reduce((a, b) => a + b, 0))
    }
    expect(await gpu.read(cursor)).toEqual(Float32Array.of(5, 7, steps, 0))
    return chosen
  }

  function expected(values: Float32Array, units: number, options: Options, draws: number[]): number[] {
    const { guidanceScale, ...rest } = options
    const guidance = guidanceScale === 1 ? undefined : { unconditional: values.subarray(units), guidanceScale }
    return draws.map((draw) => chosenUnit({ ...rest, conditional: values.subarray(0, units), guidance, draw }))
  }

  it.each([1, 2, 15, 16, 17, 33, 255, 256, 257, 600])('takes the best of %i units, or one of the best by its weight', async (units) => {
    const logits = numbers(2 * units, 1).map((x) => 4 * x)
    const distances = numbers(units, 2).map((x) => 3 * Math.abs(x))
    const draws = [0, 0.03, 0.21, 0.37, 0.5, 0.66, 0.83, 0.97, 1]
    const cases: Options[] = [
      greedy,
      { ...greedy, guidanceScale: 2.5, topK: 9 },
      { ...greedy, temperature: 1, topK: 3 },
      { ...greedy, temperature: 0.8, topK: units, guidanceScale: 1.5 },
      { ...greedy, temperature: 3, topK: 1000 },
    ]
    for (const options of cases) {
      expect(await choices(logits, units, options, draws), JSON.stringify(options)).toEqual(expected(logits, units, options, draws))
    }
    for (const options of [
      { ...greedy, topK: 3 },
      { temperature: 0.5, topK: 5, guidanceScale: 4 },
    ] as const) {
      const near = { ...greedy, ...options, scores: 'distances' } as const
      expect(await choices(distances, units, near, draws)).toEqual(expected(distances, units, { ...near, guidanceScale: 1 }, draws))
    }
  })

  it('chooses among the paper’s 8192 units', async () => {
    const units = 8192
    const logits = numbers(2 * units, 4).map((x) => 9 * x)
    for (const options of [greedy, { ...greedy, temperature: 1, topK: 3 }, { ...greedy, temperature: 5, topK: units, guidanceScale: 2 }]) {
      const draws = [0.2, 0.55, 0.95]
      expect(await choices(logits, units, options, draws)).toEqual(expected(logits, units, options, draws))
    }
  })

  it.each(kinds)('orders %s scores as they are', async (kind) => {
    const units = 90
    const logits = numbers(2 * units, 3, kind)
    const spread = Math.max(...logits) - Math.min(...logits)
    for (const options of [greedy, { ...greedy, guidanceScale: 3 }, { ...greedy, temperature: spread / 4, topK: 11, guidanceScale: 0.5 }]) {
      const draws = [0.1, 0.45, 0.9]
      expect(await choices(logits, units, options, draws)).toEqual(expected(logits, units, options, draws))
    }
  })

  it('among equals the lower unit is better, zeros of both signs are equal, and only the kept are drawn', async () => {
    const zeros = Float32Array.from({ length: 70 }, (_, i) => (i % 3 ? -0 : 0))
    const draws = [0, 0.24, 0.26, 0.49, 0.51, 0.74, 0.76, 0.999]
    expect(await choices(zeros, 70, greedy, [0])).toEqual([0])
    expect(await choices(zeros, 70, { ...greedy, temperature: 1, topK: 4 }, draws)).toEqual([0, 0, 1, 1, 2, 2, 3, 3])
    const few = Float32Array.from({ length: 70 }, (_, i) => ([20, 41, 69].includes(i) ? 7 : i === 33 ? 8 : -i))
    expect(await choices(few, 70, greedy, [0])).toEqual([33])
    expect(await choices(few, 70, { ...greedy, temperature: 1e4, topK: 3 }, [0, 0.5, 0.9])).toEqual([20, 33, 41])
    const far = { ...greedy, scores: 'distances', temperature: 1e4, topK: 2 } as const
    expect(await choices(Float32Array.of(4, 1, 1, 1), 4, { ...far, topK: 1 }, [0])).toEqual([1])
    expect(await choices(Float32Array.of(4, 1, 1, 1), 4, far, [0, 0.6])).toEqual([1, 2])
  })

  it('numbers at the ends of f32 are ordered, and what is no number does no harm', async () => {
    const ends = Float32Array.of(-3e38, 1e-38, 3e38, -1e-38, 1)
    expect(await choices(ends, 5, greedy, [0])).toEqual([2])
    expect(await choices(ends, 5, { ...greedy, temperature: 1, topK: 5 }, [0, 0.5, 1])).toEqual([2, 2, 2])
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const options of [greedy, { ...greedy, temperature: 1, topK: 2 }]) {
        for (const unit of await choices(new Float32Array(20).fill(bad), 20, options, [0.3, 1])) expect(unit).toBeLessThan(20)
      }
    }
  })

  it('with the distances, quantises residually as the references do', async () => {
    const [units, dim, codebooks] = [40, 11, 5]
    const distancesOp = await loadCentroidDistances(gpu, weightType)
    const concept = numbers(dim, 8)
    const total = gpu.tensor('total', [1, dim])
    const shared = { prediction: gpu.tensor('concept', [1, dim], { data: concept }), guidanceScale: 1, total }
    const [distances, cursor] = [gpu.tensor('distances', [1, units]), createCursor(gpu)]
    const sum = new Float64Array(dim)
    for (let index = 0; index < codebooks; index++) {
      const centroids = numbers(units * dim, 10 + index).map((x) => x / 2 ** index)
      const { tensor: codebook, values } = weightTensor(gpu, [units, dim], centroids, weightType)
      const program = gpu.program('step')
      distancesOp.record(program, { ...shared, codebook, distances })
      op.record(program, { ...greedy, scores: 'distances', values: distances, codebook, total, cursor })
      gpu.submit([program])
      const conditional = centroidDistancesReference({ conditional: concept, total: sum, codebook: values })
      const unit = chosenUnit({ conditional, scores: 'distances', temperature: 0, topK: 1 })
      for (let k = 0; k < dim; k++) sum[k]! += values[unit * dim + k]!
      const got = await gpu.read(total)
      expect(Math.max(...got.map((value, k) => Math.abs(value - sum[k]!)))).toBeLessThan(1e-6)
    }
    expect(concept.reduce((left, value, k) => left + (value - sum[k]!) ** 2, 0)).toBeLessThan(1)
  })
})

it('refuses what does not fit', async () => {
  const op = await loadRefineStep(gpu, 'f32', 16)
  const tensor = (...shape: number[]) => gpu.tensor('t', shape)
  const good = { ...greedy, values: tensor(1, 5), codebook: tensor(5, 8), total: tensor(1, 8), cursor: createCursor(gpu) }
  op.record(gpu.program('fits'), good)
  op.record(gpu.program('fits'), { ...good, scores: 'distances', guidanceScale: 2 })
  const bad = [
    { ...good, guidanceScale: 2 },
    { ...good, values: tensor(1, 6) },
    { ...good, codebook: tensor(5, 9) },
    { ...good, codebook: gpu.tensor('half', [5, 8], { type: 'f16' }) },
    { ...good, total: tensor(2, 8) },
    { ...good, cursor: tensor(4) },
    { ...good, topK: 0 },
    { ...good, topK: 2, temperature: 1 },
    { ...good, topK: 2, temperature: -1, draws: tensor(4) },
    { ...good, topK: 2, temperature: Number.NaN, draws: tensor(4) },
  ]
  for (const call of bad) expect(() => op.record(gpu.program('refused'), call)).toThrow(/^refineStep: /)
})
