import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gpu, requestGpu } from '../../gpu'
import { createCursor } from '../cursor'
import { expectClose, numbers, runOnce } from '../testing'
import { type DdimCoefficients, type DdimStep, type DdimStepArguments, loadDdimStep, packDdimCoefficients } from '.'
import { ddimStepReference } from './reference'

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

type Options = Omit<DdimStepArguments, 'prediction' | 'latent' | 'estimate' | 'coefficients' | 'noise' | 'cursor'>

const plain: Options = { predictionType: 'sample', guided: false, guidanceScale: 1, guidanceRescale: 0, clipNoise: 100 }
const guided: Options = { ...plain, guided: true, guidanceScale: 3, guidanceRescale: 0.7, epsilonScaling: 1.00045 }

/** T - 1 with alpha 0, then two ordinary steps, the last to alpha 1. */
const schedule: DdimCoefficients[] = [
  { alpha: 0, alphaPrevious: 0.2, sigma: 0, guided: false },
  { alpha: 0.2, alphaPrevious: 0.7, sigma: 0, guided: true },
  { alpha: 0.7, alphaPrevious: 1, sigma: 0, guided: true },
]
const withoutZero = schedule.slice(1)
const noisy = withoutZero.map((step) => ({ ...step, sigma: step.alphaPrevious < 1 ? 0.3 : 0 }))

const cases: { name: string; options: Options; steps: DdimCoefficients[] }[] = [
  { name: 'plain', options: plain, steps: schedule },
  { name: 'guided, unguided at first', options: guided, steps: schedule },
  { name: 'guided without rescale', options: { ...guided, guidanceRescale: 0 }, steps: schedule },
  { name: 'predicting noise', options: { ...plain, predictionType: 'epsilon' }, steps: withoutZero },
  { name: 'predicting velocity', options: { ...plain, predictionType: 'v_prediction' }, steps: schedule },
  { name: 'predicting velocity, guided', options: { ...guided, predictionType: 'v_prediction' }, steps: schedule },
  { name: 'adding noise', options: { ...plain, epsilonScaling: 1.1 }, steps: noisy },
  { name: 'clipping the estimate', options: { ...guided, clipSampleRange: 0.5 }, steps: schedule },
  { name: 'thresholding', options: { ...guided, dynamicThreshold: { ratio: 0.9, maximum: 6 } }, steps: schedule },
  { name: 'thresholding at the maximum', options: { ...plain, dynamicThreshold: { ratio: 1, maximum: 1.2 } }, steps: schedule },
  { name: 'clipping the latent', options: { ...plain, clipNoise: 0.4 }, steps: schedule },
]

describe.each([16, 256])('ddimStep with %i lanes', (lanes) => {
  let ddimStep: DdimStep
  beforeAll(async () => {
    ddimStep = await loadDdimStep(gpu, lanes)
  })

  it.each(cases)('$name: several concepts at once have the bits they have alone', async ({ options, steps }) => {
    const [dim, rows] = [17, 3]
    const predictions = numbers(2 * rows * dim, 1)
    const latents = numbers(rows * dim, 3)
    const noise = numbers(steps.length * rows * dim, 2)
    const coefficients = gpu.tensor('coefficients', [steps.length, 8], { data: packDdimCoefficients(steps) })
    const part = (data: Float32Array, index: number) => data.subarray(index * dim, (index + 1) * dim)
    const run = async (chosen: number[]) => {
      const gather = (data: Float32Array, indices: number[]) => Float32Array.from(indices.flatMap((index) => [...part(data, index)]))
      const count = chosen.length
      const latent = gpu.tensor('latent', [count, dim], { data: gather(latents, chosen) })
      const estimate = gpu.tensor('estimate', [steps.length, count * dim])
      const both = [...chosen, ...chosen.map((row) => rows + row)]
      const fresh = [...steps.keys()].flatMap((step) => chosen.map((row) => step * rows + row))
      const program = gpu.program('step')
      ddimStep.record(program, {
        ...options,
        rows: count,
        prediction: gpu.tensor('prediction', [2 * count, dim], { data: gather(predictions, both) }),
        latent,
        estimate,
        coefficients,
        noise: steps === noisy ? gpu.tensor('noise', [steps.length, count * dim], { data: gather(noise, fresh) }) : undefined,
        cursor: createCursor(gpu, count),
      })
      gpu.submit(steps.map(() => program))
      return [await gpu.read(latent), await gpu.read(estimate, (steps.length - 1) * count * dim)] as const
    }
    const together = await run([0, 1, 2])
    for (const row of [0, 1, 2]) {
      const alone = await run([row])
      for (const [which, values] of together.entries()) expect(part(values, row)).toEqual(alone[which])
    }
  })

  it.each(cases)('$name: every step equals the reference', async ({ options, steps }) => {
    // Below, at and above both lane counts.
    const sizes = [2, 15, 16, 17, 300].map((dim) => ({ dim, rows: 1 }))
    for (const { dim, rows } of [...sizes, { dim: 17, rows: 3 }]) {
      const width = rows * dim
      const prediction = numbers(2 * width, 1).map((value) => 2 * value)
      const noise = numbers(steps.length * width, 2)
      const cursor = createCursor(gpu, rows)
      const latent = gpu.tensor('latent', [rows, dim], { data: numbers(width, 3).map((value) => 1.7 * value) })
      const estimate = gpu.tensor('estimate', [steps.length, width])
      const program = gpu.program('step')
      ddimStep.record(program, {
        ...options,
        rows,
        prediction: gpu.tensor('prediction', [2 * rows, dim], { data: prediction }),
        latent,
        estimate,
        coefficients: gpu.tensor('coefficients', [steps.length, 8], { data: packDdimCoefficients(steps) }),
        noise: steps === noisy ? gpu.tensor('noise', [steps.length, width], { data: noise }) : undefined,
        cursor,
      })
      for (const [index, step] of steps.entries()) {
        const before = await gpu.read(latent)
        gpu.submit([program])
        const [estimates, latents] = [await gpu.read(estimate, index * width, width), await gpu.read(latent)]
        for (let row = 0; row < rows; row++) {
          const own = (values: Float32Array, start = 0) => values.subarray(start + row * dim, start + (row + 1) * dim)
          const want = ddimStepReference({
            ...options,
            ...step,
            guided: options.guided && step.guided,
            latent: own(before),
            conditional: own(prediction),
            unconditional: own(prediction, width),
            noise: own(noise, index * width),
          })
          const where = `row ${row} of ${rows}, step ${index}, ${dim} channels`
          expectClose(own(estimates), want.estimate, 2e-6, `estimate of ${where}`)
          expectClose(own(latents), want.latent, 2e-6, `latent of ${where}`)
        }
        expect([...(await gpu.read(cursor))]).toEqual(Array.from({ length: rows }, () => [0, 0, index + 1, 0]).flat())
      }
    }
  })

  it('keeps 50 chained guided steps within 2e-5 of the reference', async () => {
    const dim = 16
    // The cosine schedule with zero terminal SNR at every second of 100 timesteps (reference/lcm.md §4.1).
    const raw = Array.from({ length: 100 }, (_, t) => Math.cos((((t + 1) / 100 + 0.008) / 1.008) * (Math.PI / 2)))
    const [first, last] = [raw[0]!, raw[99]!]
    const alpha = (t: number) => (t < 0 ? 1 : (((raw[t]! - last) * first) / (first - last)) ** 2)
    const steps = Array.from({ length: 50 }, (_, index): DdimCoefficients => {
      const t = 99 - 2 * index
      return { alpha: alpha(t), alphaPrevious: alpha(t - 2), sigma: 0, guided: t !== 99 }
    })
    const prediction = numbers(2 * dim, 5)
    const start = numbers(dim, 6)
    const latent = gpu.tensor('latent', [1, dim], { data: start })
    const estimate = gpu.tensor('estimate', [steps.length, dim])
    const cursor = createCursor(gpu)
    const program = gpu.program('step')
    const coefficients = gpu.tensor('coefficients', [50, 8], { data: packDdimCoefficients(steps) })
    ddimStep.record(program, {
      ...guided,
      prediction: gpu.tensor('p', [2, dim], { data: prediction }),
      latent,
      estimate,
      coefficients,
      cursor,
    })
    gpu.submit(new Array(50).fill(program))
    let want: ReturnType<typeof ddimStepReference> = { latent: Float64Array.from(start), estimate: new Float64Array(dim) }
    for (const step of steps) {
      const terms = { ...guided, ...step, conditional: prediction.subarray(0, dim), unconditional: prediction.subarray(dim) }
      want = ddimStepReference({ ...terms, latent: want.latent })
    }
    expectClose(await gpu.read(estimate, 49 * dim), want.estimate, 2e-5, 'estimate')
    expect((await gpu.read(cursor))[2]).toBe(50)
  })
})

it('needs no unconditional row when it is not guided, and refuses what does not fit', async () => {
  const ddimStep = await loadDdimStep(gpu, 16)
  const tensor = (...shape: number[]) => gpu.tensor('t', shape)
  const good = {
    ...plain,
    prediction: tensor(1, 8),
    latent: tensor(1, 8),
    estimate: tensor(3, 8),
    coefficients: tensor(3, 8),
    cursor: createCursor(gpu),
  }
  runOnce(gpu, (program) => ddimStep.record(program, good))
  await gpu.finished()
  const bad = [
    { ...good, guided: true },
    { ...good, estimate: tensor(3, 7) },
    { ...good, estimate: tensor(2, 8) },
    { ...good, coefficients: tensor(3, 7) },
    { ...good, noise: tensor(2, 8) },
    { ...good, cursor: tensor(4) },
    { ...good, clipSampleRange: 1, dynamicThreshold: { ratio: 0.9, maximum: 6 } },
  ]
  for (const call of bad) expect(() => ddimStep.record(gpu.program('refused'), call)).toThrow(/^ddimStep: /)
})
