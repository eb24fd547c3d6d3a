import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gpu, requestGpu } from '../../gpu'
import { createCursor, writeCursor } from '../cursor'
import { expectClose, kinds, numbers, runOnce } from '../testing'
import { loadRmsNorm, type RmsNorm } from '.'
import { rmsNormReference } from './reference'

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

/** `row` for every row of a matrix, concatenated. */
function byRow(matrix: Float32Array, features: number, row: (values: Float32Array) => Float64Array): number[] {
  return Array.from({ length: matrix.length / features }, (_, r) => [...row(matrix.subarray(r * features, (r + 1) * features))]).flat()
}

describe.each([4, 64])('rmsNorm with %i lanes', (lanes) => {
  let rmsNorm: RmsNorm
  beforeAll(async () => {
    rmsNorm = await loadRmsNorm(gpu, lanes)
  })

  it('equals the reference, plain and modulated, below, at and above the lanes', async () => {
    const cursor = createCursor(gpu)
    writeCursor(gpu, cursor, { position: 0, contextLength: 0, step: 2 })
    const cases = [1, 3, 4, 5, 63, 64, 65, 257].map((features, index) => {
      const rows = [1, 2, 3, 5, 17][index % 5]!
      const input = numbers(rows * features, index, kinds[index % 4])
      const weight = numbers(features, index + 50)
      const width = 2 * features + 3
      const table = numbers(3 * width, index + 70)
      return {
        rows,
        features,
        input,
        weight,
        width,
        table,
        plain: gpu.tensor('plain', [rows, features]),
        modulated: gpu.tensor('modulated', [rows, features]),
      }
    })
    runOnce(gpu, (program) => {
      for (const { rows, features, width, plain, modulated, ...data } of cases) {
        const input = gpu.tensor('input', [rows, features], { data: data.input })
        const weight = gpu.tensor('weight', [features], { data: data.weight })
        const table = gpu.tensor('table', [3, width], { data: data.table })
        rmsNorm.record(program, { input, weight, output: plain, rows })
        rmsNorm.record(program, { input, weight, output: modulated, rows, modulation: { table, cursor, shift: 1, scale: 2 + features } })
      }
    })
    for (const { features, input, weight, width, table, plain, modulated } of cases) {
      const step = table.subarray(2 * width)
      const modulation = { shift: step.subarray(1, 1 + features), scale: step.subarray(2 + features, 2 + 2 * features) }
      expectClose(
        await gpu.read(plain),
        byRow(input, features, (row) => rmsNormReference(row, weight)),
        1e-6,
        `${features} features`,
      )
      const want = byRow(input, features, (row) => rmsNormReference(row, weight, modulation))
      expectClose(await gpu.read(modulated), want, 1e-6, `${features} features, modulated`)
    }
  })

  it('gives a row the same bits alone and among others', async () => {
    const input = numbers(5 * 100, 1)
    const weight = gpu.tensor('weight', [100], { data: numbers(100, 2) })
    const [all, one] = [gpu.tensor('all', [5, 100]), gpu.tensor('one', [1, 100])]
    runOnce(gpu, (program) => {
      rmsNorm.record(program, { input: gpu.tensor('input', [5, 100], { data: input }), weight, output: all, rows: 5 })
      rmsNorm.record(program, { input: gpu.tensor('input', [1, 100], { data: input.subarray(300, 400) }), weight, output: one, rows: 1 })
    })
    expect(await gpu.read(one)).toEqual(await gpu.read(all, 300, 100))
  })
})

it('refuses shapes that do not fit', async () => {
  const rmsNorm = await loadRmsNorm(gpu, 4)
  const program = gpu.program('refused')
  const tensor = (...shape: number[]) => gpu.tensor('t', shape)
  const good = { input: tensor(2, 8), weight: tensor(8), output: tensor(2, 8), rows: 2 }
  const cursor = createCursor(gpu)
  const bad = [
    { ...good, rows: 3 },
    { ...good, weight: tensor(7) },
    { ...good, output: tensor(1, 8) },
    { ...good, modulation: { table: tensor(1, 16), cursor, shift: 0, scale: 9 } },
    { ...good, modulation: { table: tensor(1, 16), cursor: tensor(4), shift: 0, scale: 8 } },
  ]
  for (const call of bad) expect(() => rmsNorm.record(program, call)).toThrow(/^rmsNorm: /)
})
