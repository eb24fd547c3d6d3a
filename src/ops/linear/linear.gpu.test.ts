import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gpu, requestGpu, type Tensor } from '../../gpu'
import { createCursor, writeCursor } from '../cursor'
import type { Form, WeightType } from '../matrix-kernel'
import { expectClose, type Kind, kinds, magnitudeOfSums, numbers, runOnce, weightTensor } from '../testing'
import { type Linear, type LinearArguments, loadLinear } from '.'
import { linearReference } from './reference'

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

// Below, at and above: eights of K (8), a workgroup's step (64 lanes * 8 = 512), the blocks of channels (4, 32) and of rows (1, 2, 4).
const sizes: [rows: number, inputs: number, channels: number][] = [
  [1, 1, 1],
  [2, 3, 5],
  [3, 7, 3],
  [5, 8, 4],
  [17, 9, 31],
  [1, 64, 32],
  [2, 504, 33],
  [1, 511, 5],
  [3, 512, 4],
  [2, 513, 3],
  [5, 520, 6],
]

describe.each<[Form, WeightType]>([
  ['thread', 'f32'],
  ['thread', 'f16'],
  ['workgroup', 'f32'],
  ['workgroup', 'f16'],
])('linear by %s with %s weights', (form, type) => {
  let linear: Linear
  beforeAll(async () => {
    linear = await loadLinear(gpu, type, form)
  })

  interface Case {
    rows: number
    inputs: number
    channels: number
    kind: Kind
  }

  /** All cases in one submission, each against the reference. */
  async function check(cases: Case[]): Promise<void> {
    const made = cases.map(({ rows, inputs, channels, kind }, seed) => {
      const input = numbers(rows * inputs, seed, kind)
      const weight = weightTensor(gpu, [channels, inputs], numbers(channels * inputs, seed + 100, kind === 'tiny' ? 'tiny' : 'plain'), type)
      const bias = numbers(channels, seed + 200, kind)
      return { rows, inputs, channels, kind, input, weight, bias, output: gpu.tensor('output', [rows, channels]) }
    })
    runOnce(gpu, (program) => {
      for (const { rows, inputs, channels, input, weight, bias, output } of made) {
        linear.record(program, {
          input: gpu.tensor('input', [rows, inputs], { data: input }),
          weight: weight.tensor,
          bias: gpu.tensor('bias', [channels], { data: bias }),
          output,
          rows,
        })
      }
    })
    for (const { rows, inputs, channels, kind, input, weight, bias, output } of made) {
      const want = linearReference({ input, weight: weight.values, bias, rows })
      const scale = magnitudeOfSums(input, weight.values, rows, channels) + Math.max(...bias.map(Math.abs))
      expectClose(await gpu.read(output), want, 1e-6, `${rows} rows, ${inputs} to ${channels}, ${kind}`, scale)
    }
  }

  it('equals the reference around every tile', () =>
    check(sizes.map(([rows, inputs, channels], index) => ({ rows, inputs, channels, kind: kinds[index % 4]! }))))

  it('equals the reference for cancelling, large and tiny numbers', () =>
    check(kinds.map((kind) => ({ rows: 2, inputs: 96, channels: 10, kind }))))

  it('equals the reference at any shape', () => {
    const side = fc.integer({ min: 1, max: 40 })
    const shape = fc.record({ rows: fc.integer({ min: 1, max: 9 }), inputs: side, channels: side, kind: fc.constantFrom(...kinds) })
    return check(fc.sample(shape, { numRuns: 8, seed: 11 }))
  })

  it('gives a row the same bits however many rows are computed together', async () => {
    for (const inputs of [264, 37]) {
      const channels = 6
      const input = numbers(17 * inputs, 1)
      const weight = weightTensor(gpu, [channels, inputs], numbers(channels * inputs, 2), type).tensor
      const bias = gpu.tensor('bias', [channels], { data: numbers(channels, 3) })
      const outputs = new Map<string, Tensor>()
      runOnce(gpu, (program) => {
        for (const [start, rows] of [
          [0, 17],
          [0, 1],
          [6, 1],
          [3, 2],
          [5, 3],
          [0, 5],
        ] as const) {
          const output = gpu.tensor('output', [rows, channels])
          const slice = input.subarray(start * inputs, (start + rows) * inputs)
          linear.record(program, { input: gpu.tensor('input', [rows, inputs], { data: slice }), weight, bias, output, rows })
          outputs.set(`${start}`.padStart(2) + rows, output)
        }
      })
      const all = await gpu.read(outputs.get(' 017')!)
      for (const [key, output] of outputs) {
        const start = Number(key.slice(0, 2)) * channels
        expect([...(await gpu.read(output))], key).toEqual([...all.subarray(start, start + output.size)])
      }
    }
  })

  it('gives the same bits when the rows of the weight lie in several tensors', async () => {
    for (const inputs of [40, 37]) {
      const [rows, channels] = [3, 11]
      const cursor = createCursor(gpu)
      writeCursor(gpu, cursor, { position: 1, contextLength: 0, step: 1 })
      const data = (shape: number[], seed: number) =>
        gpu.tensor('data', shape, {
          data: numbers(
            shape.reduce((a, b) => a * b),
            seed,
          ),
        })
      const values = numbers(channels * inputs, 2)
      const whole = weightTensor(gpu, [channels, inputs], values, type)
      const parts = [
        [0, 5],
        [5, 6],
        [6, 11],
      ].map(([start, end]) => weightTensor(gpu, [end! - start!, inputs], values.slice(start! * inputs, end! * inputs), type).tensor)
      const common = { input: data([rows, inputs], 1), bias: data([channels], 3), rows }
      const variants: Partial<LinearArguments>[] = [
        {},
        { activation: 'silu', gate: { table: data([3, 20], 4), cursor, offset: 7 }, residual: data([rows, channels], 5) },
        { atCursor: { cursor, plus: 1 } },
      ]
      for (const variant of variants) {
        const [one, several] = [whole.tensor, parts].map((weight) => {
          const output = gpu.tensor('output', [rows + 2, channels])
          runOnce(gpu, (program) => linear.record(program, { ...common, ...variant, weight, output }))
          return gpu.read(output)
        })
        expect(await several).toEqual(await one)
      }
      const output = gpu.tensor('output', [rows, channels])
      runOnce(gpu, (program) => linear.record(program, { ...common, weight: parts, output }))
      const want = linearReference({ input: numbers(rows * inputs, 1), weight: whole.values, bias: numbers(channels, 3), rows })
      expectClose(await gpu.read(output), want, 1e-6, `${inputs} inputs`)
    }
  })

  it('applies silu, gate and residual, shares an input row, and writes at the cursor', async () => {
    const [rows, inputs, channels] = [3, 16, 9]
    const cursor = createCursor(gpu)
    writeCursor(gpu, cursor, { position: 2, contextLength: 0, step: 1 })
    const input = numbers(rows * inputs, 1)
    const { tensor: weight, values } = weightTensor(gpu, [channels, inputs], numbers(channels * inputs, 2), type)
    const bias = numbers(channels, 3)
    const table = numbers(3 * 30, 4)
    const residual = numbers(rows * channels, 5)
    const tensor = (shape: number[], data?: Float32Array) => gpu.tensor('data', shape, { data })
    const common = { input: tensor([rows, inputs], input), weight, bias: tensor([channels], bias), rows }
    const gate = { table: tensor([3, 30], table), cursor, offset: 11 }
    const [silu, gated, gatedOnly, shared, cache] = [rows, rows, rows, rows, 5].map((height) => tensor([height, channels])) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ]
    const inPlace = tensor([rows, channels], residual)
    runOnce(gpu, (program) => {
      linear.record(program, { ...common, output: silu, activation: 'silu' })
      linear.record(program, { ...common, output: gated, gate, residual: tensor([rows, channels], residual) })
      linear.record(program, { ...common, output: gatedOnly, gate })
      linear.record(program, { ...common, output: inPlace, gate, residual: inPlace })
      linear.record(program, { ...common, output: shared, inputRows: 1 })
      linear.record(program, { ...common, output: cache, atCursor: { cursor, plus: 1 } })
    })
    const terms = { input, weight: values, bias, rows }
    const gateRow = table.subarray(30 + 11, 30 + 11 + channels)
    const plain = linearReference(terms)
    expectClose(await gpu.read(silu), linearReference({ ...terms, silu: true }), 1e-6, 'silu')
    expectClose(await gpu.read(gatedOnly), linearReference({ ...terms, gate: gateRow }), 1e-6, 'gate')
    const wantGated = linearReference({ ...terms, gate: gateRow, residual })
    expectClose(await gpu.read(gated), wantGated, 1e-6, 'gate and residual')
    expect(await gpu.read(inPlace)).toEqual(await gpu.read(gated))
    expectClose(
      await gpu.read(shared),
      [...plain.subarray(0, channels), ...plain.subarray(0, channels), ...plain.subarray(0, channels)],
      1e-6,
      'shared',
    )
    // Rows 3 and 4 of the cache take rows 0 and 1; row 2 would be past the end and is dropped.
    expectClose(await gpu.read(cache), [...new Float32Array(3 * channels), ...plain.subarray(0, 2 * channels)], 1e-6, 'at cursor')
  })
})

it('refuses shapes that do not fit', async () => {
  const linear = await loadLinear(gpu, 'f32', 'thread')
  const program = gpu.program('refused')
  const tensor = (...shape: number[]) => gpu.tensor('t', shape)
  const good = { input: tensor(2, 8), weight: tensor(4, 8), bias: tensor(4), output: tensor(2, 4), rows: 2 }
  const cursor = createCursor(gpu)
  const bad = [
    { ...good, rows: 3 },
    { ...good, rows: 0 },
    { ...good, input: tensor(2, 9) },
    { ...good, bias: tensor(5) },
    { ...good, output: tensor(2, 5) },
    { ...good, weight: gpu.tensor('half', [4, 8], { type: 'f16' }) },
    { ...good, residual: tensor(1, 4) },
    { ...good, gate: { table: tensor(1, 8), cursor, offset: 5 } },
    { ...good, residual: good.output, atCursor: { cursor, plus: 0 } },
  ]
  for (const call of bad) expect(() => linear.record(program, call)).toThrow(/^linear: /)
  expect(program.length).toBe(0)
})
