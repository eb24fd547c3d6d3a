import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gpu, requestGpu, type Tensor } from '../../gpu'
import type { Form, Matrix, WeightType } from '../matrix-kernel'
import { expectClose, type Kind, kinds, magnitudeOfSums, numbers, runOnce, weightTensor } from '../testing'
import { loadSwiGlu, type SwiGlu } from '.'
import { swiGluReference } from './reference'

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

// Around eights of K (8), a workgroup's step (512), the blocks of channels (2, 16) and of rows (1, 2, 4).
const sizes: [rows: number, inputs: number, channels: number][] = [
  [1, 1, 1],
  [2, 3, 2],
  [3, 8, 3],
  [5, 7, 16],
  [17, 40, 17],
  [1, 511, 2],
  [2, 512, 3],
  [3, 520, 5],
]

describe.each<[Form, WeightType]>([
  ['thread', 'f32'],
  ['thread', 'f16'],
  ['workgroup', 'f32'],
  ['workgroup', 'f16'],
])('swiGlu by %s with %s weights', (form, type) => {
  let swiGlu: SwiGlu
  beforeAll(async () => {
    swiGlu = await loadSwiGlu(gpu, type, form)
  })

  function prepare(rows: number, inputs: number, channels: number, kind: Kind, seed: number) {
    const weightKind = kind === 'tiny' ? 'tiny' : 'plain'
    const weight = (offset: number) => weightTensor(gpu, [channels, inputs], numbers(channels * inputs, seed + offset, weightKind), type)
    return {
      rows,
      inputs,
      channels,
      kind,
      input: numbers(rows * inputs, seed, kind),
      gate: weight(100),
      inner: weight(200),
      gateBias: numbers(channels, seed + 300, kind),
      innerBias: numbers(channels, seed + 400, kind),
      output: gpu.tensor('output', [rows, channels]),
    }
  }

  async function check(shapes: [rows: number, inputs: number, channels: number, kind: Kind][]): Promise<void> {
    const cases = shapes.map((shape, seed) => prepare(...shape, seed))
    runOnce(gpu, (program) => {
      for (const { rows, inputs, channels, input, gate, inner, gateBias, innerBias, output } of cases) {
        swiGlu.record(program, {
          input: gpu.tensor('input', [rows, inputs], { data: input }),
          gateWeight: gate.tensor,
          gateBias: gpu.tensor('gate bias', [channels], { data: gateBias }),
          innerWeight: inner.tensor,
          innerBias: gpu.tensor('inner bias', [channels], { data: innerBias }),
          output,
          rows,
        })
      }
    })
    for (const { rows, inputs, channels, kind, input, gate, inner, gateBias, innerBias, output } of cases) {
      const want = swiGluReference({ input, gateWeight: gate.values, gateBias, innerWeight: inner.values, innerBias, rows })
      // |y| is at most the product of both projections; rounding is relative to what each of them sums.
      const largest = (values: Float32Array) => Math.max(...values.map(Math.abs))
      const scale =
        (magnitudeOfSums(input, gate.values, rows, channels) + largest(gateBias)) *
        (magnitudeOfSums(input, inner.values, rows, channels) + largest(innerBias))
      expectClose(await gpu.read(output), want, 1e-6, `${rows} rows, ${inputs} to ${channels}, ${kind}`, scale)
    }
  }

  it('equals the reference around every tile, for every kind of number', () =>
    check([
      ...sizes.map(([rows, inputs, channels]): [number, number, number, Kind] => [rows, inputs, channels, 'plain']),
      ...kinds.map((kind): [number, number, number, Kind] => [2, 24, 6, kind]),
    ]))

  it('equals the reference at any shape', () => {
    const side = fc.integer({ min: 1, max: 40 })
    return check(fc.sample(fc.tuple(fc.integer({ min: 1, max: 9 }), side, side, fc.constantFrom(...kinds)), { numRuns: 6, seed: 12 }))
  })

  it('gives a row the same bits however many rows are computed together', async () => {
    const [inputs, channels] = [72, 5]
    const { input, gate, inner, gateBias, innerBias } = prepare(5, inputs, channels, 'plain', 3)
    const [gateBiasTensor, innerBiasTensor] = [gateBias, innerBias].map((data) => gpu.tensor('bias', [channels], { data }))
    const slices = (
      [
        [0, 5],
        [0, 1],
        [4, 1],
        [2, 2],
        [1, 3],
      ] as const
    ).map(([start, rows]) => ({
      start,
      rows,
      input: gpu.tensor('input', [rows, inputs], { data: input.subarray(start * inputs, (start + rows) * inputs) }),
      output: gpu.tensor('output', [rows, channels]),
    }))
    runOnce(gpu, (program) => {
      for (const slice of slices) {
        const weights = { gateWeight: gate.tensor, gateBias: gateBiasTensor!, innerWeight: inner.tensor, innerBias: innerBiasTensor! }
        swiGlu.record(program, { ...slice, ...weights })
      }
    })
    const all = await gpu.read(slices[0]!.output)
    for (const { start, rows, output } of slices) {
      expect([...(await gpu.read(output))], `${rows} rows from ${start}`).toEqual([
        ...all.subarray(start * channels, (start + rows) * channels),
      ])
    }
  })

  it('equals the reference when the rows of the weights lie in several tensors', async () => {
    for (const inputs of [24, 13]) {
      const [rows, channels] = [3, 9]
      const { input, gate, inner, gateBias, innerBias, output } = prepare(rows, inputs, channels, 'plain', 5)
      const parts = (values: Float32Array) =>
        [
          [0, 4],
          [4, 9],
        ].map(([start, end]) => weightTensor(gpu, [end! - start!, inputs], values.slice(start! * inputs, end! * inputs), type).tensor)
      const record = (gateWeight: Matrix, innerWeight: Matrix, output: Tensor) =>
        runOnce(gpu, (program) =>
          swiGlu.record(program, {
            input: gpu.tensor('input', [rows, inputs], { data: input }),
            gateWeight,
            gateBias: gpu.tensor('gate bias', [channels], { data: gateBias }),
            innerWeight,
            innerBias: gpu.tensor('inner bias', [channels], { data: innerBias }),
            output,
            rows,
          }),
        )
      const whole = gpu.tensor('output', [rows, channels])
      record(gate.tensor, inner.tensor, whole)
      record(parts(gate.values), parts(inner.values), output)
      const got = await gpu.read(output)
      expect(got).toEqual(await gpu.read(whole))
      const want = swiGluReference({ input, gateWeight: gate.values, gateBias, innerWeight: inner.values, innerBias, rows })
      const scale = magnitudeOfSums(input, gate.values, rows, channels) * magnitudeOfSums(input, inner.values, rows, channels)
      expectClose(got, want, 1e-6, `${inputs} inputs`, scale)
    }
  })
})

it('refuses shapes that do not fit', async () => {
  const swiGlu = await loadSwiGlu(gpu, 'f32', 'thread')
  const program = gpu.program('refused')
  const tensor = (...shape: number[]) => gpu.tensor('t', shape)
  const weights = { gateWeight: tensor(4, 8), gateBias: tensor(4), innerWeight: tensor(4, 8), innerBias: tensor(4) }
  const good = { ...weights, input: tensor(2, 8), output: tensor(2, 4), rows: 2 }
  const bad = [
    { ...good, rows: 3 },
    { ...good, innerWeight: tensor(3, 8) },
    { ...good, innerWeight: tensor(5, 8) },
    { ...good, gateWeight: tensor(4, 9) },
    { ...good, innerWeight: [tensor(2, 8), tensor(2, 8)] },
    { ...good, innerBias: tensor(3) },
    { ...good, output: tensor(2, 8) },
  ]
  for (const call of bad) expect(() => swiGlu.record(program, call)).toThrow(/^swiGlu: /)
})
