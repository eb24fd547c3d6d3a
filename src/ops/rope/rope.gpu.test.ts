import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Gpu, requestGpu } from '../../gpu'
import { createCursor, writeCursor } from '../cursor'
import { expectClose, numbers, runOnce } from '../testing'
import { loadRope, ropeTable } from '.'
import { ropeReference } from './reference'

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

it.each([
  { headDim: 2, heads: 1, rows: 1, position: 0 },
  { headDim: 8, heads: 4, rows: 5, position: 3 },
  { headDim: 6, heads: 21, rows: 2, position: 100 },
  { headDim: 64, heads: 2, rows: 3, position: 4093 },
  { headDim: 128, heads: 2, rows: 17, position: 0 },
])('turns queries and cached keys: $heads heads of $headDim, $rows rows at $position', async ({ headDim, heads, rows, position }) => {
  const rope = await loadRope(gpu, ropeTable(gpu, { headDim, positions: position + rows }))
  const width = headDim * heads
  const cursor = createCursor(gpu)
  writeCursor(gpu, cursor, { position, contextLength: 0, step: 0 })
  const values = numbers(rows * width, headDim)
  const queries = gpu.tensor('queries', [rows + 1, width], {
    data: Float32Array.from({ ...values, length: (rows + 1) * width }, (value) => value ?? 9),
  })
  const keys = gpu.tensor('keys', [position + rows, width])
  gpu.write(keys, values, position * width)
  runOnce(gpu, (program) => {
    rope.record(program, { tensor: queries, rows, cursor, atCursor: false })
    rope.record(program, { tensor: keys, rows, cursor, atCursor: true })
  })
  const want = Array.from({ length: rows }, (_, row) => [
    ...ropeReference(values.subarray(row * width, (row + 1) * width), position + row, heads),
  ]).flat()
  expectClose(await gpu.read(queries), [...want, ...new Array(width).fill(9)], 2e-7, 'queries', 1)
  expectClose(await gpu.read(keys), [...new Array(position * width).fill(0), ...want], 2e-7, 'keys', 1)
})

it('turns a row of each of several documents, each at its own place', async () => {
  const [width, room, places] = [16, 6, [4, 0, 2]]
  const rope = await loadRope(gpu, ropeTable(gpu, { headDim: 8, positions: room }))
  const cursor = createCursor(gpu, places.length)
  for (const [row, position] of places.entries())
    writeCursor(gpu, cursor, { position, contextLength: 0, step: 0, base: (2 - row) * room }, row)
  const values = numbers(places.length * width, 4)
  const queries = gpu.tensor('queries', [places.length, width], { data: values })
  const keys = gpu.tensor('keys', [places.length * room, width])
  const at = (row: number) => ((2 - row) * room + places[row]!) * width
  for (const row of places.keys()) gpu.write(keys, values.subarray(row * width, (row + 1) * width), at(row))
  runOnce(gpu, (program) => {
    rope.record(program, { tensor: queries, rows: places.length, cursor, atCursor: false, perRow: true })
    rope.record(program, { tensor: keys, rows: places.length, cursor, atCursor: true, perRow: true })
  })
  const [turned, cached] = [await gpu.read(queries), await gpu.read(keys)]
  for (const [row, position] of places.entries()) {
    const want = ropeReference(values.subarray(row * width, (row + 1) * width), position, 2)
    expectClose(turned.subarray(row * width, (row + 1) * width), want, 2e-7, `query ${row}`, 1)
    expectClose(cached.subarray(at(row), at(row) + width), want, 2e-7, `key ${row}`, 1)
  }
})

it('refuses shapes that do not fit', async () => {
  expect(() => ropeTable(gpu, { headDim: 3, positions: 4 })).toThrow(/^rope: /)
  const rope = await loadRope(gpu, ropeTable(gpu, { headDim: 8, positions: 4 }))
  const cursor = createCursor(gpu)
  const tensor = gpu.tensor('t', [2, 12])
  expect(() => rope.record(gpu.program('refused'), { tensor, rows: 2, cursor, atCursor: false })).toThrow(/no whole number of heads/)
  expect(() => rope.record(gpu.program('refused'), { tensor: gpu.tensor('t', [2, 8]), rows: 3, cursor, atCursor: false })).toThrow(
    /^rope: /,
  )
})
