import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gpu, requestGpu } from '../../gpu'
import type { WeightType } from '../matrix-kernel'
import { expectClose, type Kind, kinds, numbers, runOnce, weightTensor } from '../testing'
import { type CentroidDistances, type CentroidLanes, loadCentroidDistances } from '.'
import { centroidDistancesReference } from './reference'

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

interface Case {
  units: number
  dim: number
  kind?: Kind
  guidanceScale?: number
}

const forms: { form: CentroidLanes; weightType: WeightType }[] = [
  { form: { lanes: 8, perCentroid: 1 }, weightType: 'f32' },
  { form: { lanes: 64, perCentroid: 8 }, weightType: 'f32' },
  { form: { lanes: 64, perCentroid: 8 }, weightType: 'f16' },
  { form: { lanes: 8, perCentroid: 1 }, weightType: 'f16' },
]

describe.each(forms)('centroidDistances of $weightType with $form.lanes lanes, $form.perCentroid a centroid', ({ form, weightType }) => {
  let op: CentroidDistances
  beforeAll(async () => {
    op = await loadCentroidDistances(gpu, weightType, form)
  })

  const cases: Case[] = [
    { units: 1, dim: 1 },
    { units: 7, dim: 3, guidanceScale: 2.5 },
    { units: 8, dim: 8 },
    { units: 9, dim: 16, guidanceScale: 0 },
    { units: 63, dim: 63 },
    { units: 64, dim: 64, guidanceScale: 3 },
    { units: 65, dim: 65 },
    { units: 300, dim: 136, guidanceScale: 1.5 },
    ...kinds.map((kind) => ({ units: 20, dim: 72, kind, guidanceScale: 2 })),
    ...kinds.map((kind) => ({ units: 20, dim: 75, kind })),
  ]
  it.each(cases)('$units centroids of $dim, $kind, guidance $guidanceScale', async ({ units, dim, kind = 'plain', guidanceScale = 1 }) => {
    const [prediction, total] = [numbers(2 * dim, 1, kind), numbers(dim, 2, kind)]
    const { tensor: codebook, values } = weightTensor(gpu, [units, dim], numbers(units * dim, 3, kind), weightType)
    const distances = gpu.tensor('distances', [1, units])
    runOnce(gpu, (program) =>
      op.record(program, {
        prediction: gpu.tensor('prediction', [2, dim], { data: prediction }),
        guidanceScale,
        total: gpu.tensor('total', [1, dim], { data: total }),
        codebook,
        distances,
      }),
    )
    const [conditional, unconditional] = [prediction.subarray(0, dim), prediction.subarray(dim)]
    const guidance = guidanceScale === 1 ? undefined : { unconditional, guidanceScale }
    const want = centroidDistancesReference({ conditional, guidance, total, codebook: values })
    // What cancels leaves rounding errors of the numbers that it is made of.
    const largest = Math.max(...[...prediction, ...total, ...values].map(Math.abs)) * (1 + guidanceScale)
    expectClose(await gpu.read(distances), want, 1e-6, 'distances', Math.max(...want, dim * largest ** 2 * 0.01))
  })

  it('a centroid that lies on the concept has distance 0, equal centroids equal distances, and near ones are told apart', async () => {
    const dim = 24
    const concept = numbers(dim, 4).map((x) => Math.round(x * 64) / 64)
    const rows = [0.25, 0, 0.25, 2 ** -9, 2 ** -8].map((shift) => concept.map((x, k) => x + (k === 5 ? shift : 0)))
    const { tensor: codebook } = weightTensor(gpu, [5, dim], Float32Array.from(rows.flatMap((row) => [...row])), weightType)
    const distances = gpu.tensor('distances', [1, 5])
    runOnce(gpu, (program) => {
      const [prediction, total] = [gpu.tensor('prediction', [1, dim], { data: concept }), gpu.tensor('total', [1, dim])]
      op.record(program, { prediction, guidanceScale: 1, total, codebook, distances })
    })
    const [a, on, b, nearest, near] = await gpu.read(distances)
    expect([on, a]).toEqual([0, b])
    expect(nearest).toBeGreaterThan(0)
    expect(nearest).toBeLessThan(near!)
  })
})

it('refuses what does not fit', async () => {
  const op = await loadCentroidDistances(gpu, 'f32')
  const tensor = (...shape: number[]) => gpu.tensor('t', shape)
  const good = { prediction: tensor(1, 8), guidanceScale: 1, total: tensor(1, 8), codebook: tensor(5, 8), distances: tensor(1, 5) }
  op.record(gpu.program('fits'), good)
  const bad = [
    { ...good, guidanceScale: 2 },
    { ...good, prediction: tensor(1, 7) },
    { ...good, total: tensor(2, 8) },
    { ...good, codebook: tensor(5, 9) },
    { ...good, codebook: gpu.tensor('half', [5, 8], { type: 'f16' }) },
    { ...good, distances: tensor(1, 6) },
  ]
  for (const call of bad) expect(() => op.record(gpu.program('refused'), call)).toThrow(/^centroidDistances: /)
})
