import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Gpu, requestGpu } from '../../gpu'
import { createCursor, writeCursor } from '../cursor'
import { expectClose, kinds, numbers, runOnce } from '../testing'
import { loadAddRows } from '.'
import { addRowsReference } from './reference'

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

it.each(
  [1, 7, 63, 64, 65, 200].flatMap((features, index) => [
    { features, rows: 1 + 3 * index, position: index, step: 2, kind: kinds[index % kinds.length]! },
    { features, rows: 2, position: 0, step: index, kind: kinds[(index + 1) % kinds.length]! },
  ]),
)('adds table rows to $rows rows of $features ($kind), by position and by step', async ({ features, rows, position, step, kind }) => {
  const addRows = await loadAddRows(gpu)
  const cursor = createCursor(gpu)
  writeCursor(gpu, cursor, { position, contextLength: 99, step })
  const values = numbers((rows + 1) * features, features, kind)
  // The last row goes beyond the table.
  const table = numbers((position + rows) * features, rows, kind)
  const steps = numbers((step + 1) * features, 5, kind)
  const [byPosition, shared, byStep] = ['by position', 'shared', 'by step'].map((label) =>
    gpu.tensor(label, [rows + 1, features], { data: values }),
  ) as [ReturnType<Gpu['tensor']>, ReturnType<Gpu['tensor']>, ReturnType<Gpu['tensor']>]
  const positions = gpu.tensor('positions', [position + rows, features], { data: table })
  const times = gpu.tensor('times', [step + 1, features], { data: steps })
  runOnce(gpu, (program) => {
    addRows.record(program, { tensor: byPosition, rows, table: positions, cursor, first: { plus: 1 } })
    addRows.record(program, { tensor: shared, rows, table: positions, cursor, first: { plus: 0 }, sameRow: true })
    addRows.record(program, { tensor: byStep, rows, table: times, cursor, first: 'step' })
  })
  const [given, untouched] = [values.subarray(0, rows * features), values.subarray(rows * features)]
  for (const [tensor, rowsAdded, first, stride] of [
    [byPosition, table, position + 1, 1],
    [shared, table, position, 0],
    [byStep, steps, step, 1],
  ] as const) {
    const want = [...addRowsReference(given, rowsAdded, { features, first, stride }), ...untouched]
    expectClose(await gpu.read(tensor), want, 1e-7, tensor.label)
  }
})

it('refuses shapes that do not fit', async () => {
  const addRows = await loadAddRows(gpu)
  const cursor = createCursor(gpu)
  const tensor = gpu.tensor('t', [2, 8])
  const table = gpu.tensor('table', [3, 8])
  const record = (change: object) =>
    addRows.record(gpu.program('refused'), { tensor, rows: 2, table, cursor, first: { plus: 0 }, ...change })
  for (const change of [{ rows: 3 }, { rows: 0 }, { first: { plus: -1 } }, { table: gpu.tensor('t', [3, 7]) }, { cursor: tensor }]) {
    expect(() => record(change)).toThrow(/^addRows: /)
  }
})
