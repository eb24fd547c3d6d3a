import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Gpu, requestGpu } from '../../gpu'
import { createCursor, writeCursor } from '../cursor'
import { expectClose, numbers, runOnce } from '../testing'
import { loadAttention } from '.'
import { attentionReference } from './reference'

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

const matrix = (label: string, rows: number, data: Float32Array) => gpu.tensor(label, [rows, data.length / rows], { data })

// Around a chunk of 64 keys, and around head sizes that divide the 64 lanes or leave some idle.
it.each([
  { heads: 1, headDim: 4, rows: 1, position: 0 },
  { heads: 4, headDim: 8, rows: 5, position: 3 },
  { heads: 3, headDim: 12, rows: 3, position: 62 },
  { heads: 2, headDim: 64, rows: 2, position: 63 },
  { heads: 1, headDim: 128, rows: 17, position: 120 },
  { heads: 1, headDim: 256, rows: 1, position: 64 },
  { heads: 8, headDim: 2, rows: 2, position: 1 },
  { heads: 5, headDim: 6, rows: 3, position: 70 },
  { heads: 3, headDim: 7, rows: 2, position: 3 },
  { heads: 2, headDim: 50, rows: 1, position: 64 },
])('causal: $heads heads of $headDim, $rows rows at $position', async ({ heads, headDim, rows, position }) => {
  const attention = await loadAttention(gpu, headDim)
  const width = heads * headDim
  const capacity = position + rows
  const query = numbers(rows * width, 1).map((value) => 4 * value)
  const [keys, values] = [numbers(capacity * width, 2), numbers(capacity * width, 3)] as const
  const cursor = createCursor(gpu)
  writeCursor(gpu, cursor, { position, contextLength: 0, step: 0 })
  const output = gpu.tensor('output', [rows, width])
  const [keyTensor, valueTensor] = [matrix('keys', capacity, keys), matrix('values', capacity, values)]
  runOnce(gpu, (program) =>
    attention.recordCausal(program, {
      query: matrix('query', rows, query),
      keys: keyTensor,
      values: valueTensor,
      output,
      rows,
      heads,
      cursor,
    }),
  )
  const want = Array.from({ length: rows }, (_, row) => [
    ...attentionReference(query.subarray(row * width, (row + 1) * width), keys, values, position + row + 1, heads),
  ]).flat()
  const got = await gpu.read(output)
  expectClose(got, want, 1e-6, 'prefill', 1)

  // The last row alone, at its own position, has the same bits.
  const last = gpu.tensor('last', [1, width])
  writeCursor(gpu, cursor, { position: position + rows - 1, contextLength: 0, step: 0 })
  runOnce(gpu, (program) =>
    attention.recordCausal(program, {
      query: matrix('query', 1, query.subarray((rows - 1) * width)),
      keys: keyTensor,
      values: valueTensor,
      output: last,
      rows: 1,
      heads,
      cursor,
    }),
  )
  expect(await gpu.read(last)).toEqual(got.subarray((rows - 1) * width))
})

it('cross: sees contextLength rows, from none to thousands, with scores of any size', async () => {
  const [heads, width, capacity] = [2, 16, 3001]
  const attention = await loadAttention(gpu, width / heads)
  const cursor = createCursor(gpu)
  const [keys, values] = [numbers(capacity * width, 2), numbers(capacity * width, 3)] as const
  // A key that dwarfs all before it and one far below: the running maximum must rise in the middle of the walk.
  for (let i = 0; i < width; i++) keys[1000 * width + i]! *= 60
  const [keyTensor, valueTensor] = [matrix('keys', capacity, keys), matrix('values', capacity, values)]
  const output = gpu.tensor('output', [1, width])
  for (const [contextLength, amplitude] of [
    [0, 1],
    [1, 1],
    [64, 1],
    [65, 1e-3],
    [3001, 1],
    [3001, 300],
  ] as const) {
    const query = numbers(width, 1).map((value) => amplitude * value)
    writeCursor(gpu, cursor, { position: 0, contextLength, step: 0 })
    const call = { query: matrix('query', 1, query), keys: keyTensor, values: valueTensor, output, heads, cursor }
    runOnce(gpu, (program) => attention.recordCross(program, call))
    const want = attentionReference(query, keys, values, contextLength, heads)
    // A score of magnitude s is rounded by about s * 2^-24 before the exponential.
    expectClose(await gpu.read(output), want, amplitude > 1 ? 1e-3 : 2e-6, `${contextLength} rows, queries of ${amplitude}`, 1)
  }
})

it('a row of each of several documents has the bits it has alone', async () => {
  const [heads, width, room, lengths] = [2, 16, 70, [70, 1, 5]]
  const attention = await loadAttention(gpu, width / heads)
  const query = numbers(lengths.length * width, 1)
  const [keys, values] = [numbers(lengths.length * room * width, 2), numbers(lengths.length * room * width, 3)]
  const shared = { keys: matrix('keys', lengths.length * room, keys), values: matrix('values', lengths.length * room, values), heads }
  const cursor = createCursor(gpu, lengths.length)
  const state = (length: number) => ({ position: length - 1, contextLength: length, step: 0 })
  for (const [row, length] of lengths.entries()) writeCursor(gpu, cursor, { ...state(length), base: row * room }, row)
  for (const record of ['recordCausal', 'recordCross'] as const) {
    const output = gpu.tensor('output', [lengths.length, width])
    const rows = { query: matrix('query', lengths.length, query), output, rows: lengths.length, cursor, perRow: true }
    runOnce(gpu, (program) => attention[record](program, { ...shared, ...rows }))
    const together = await gpu.read(output)
    for (const [row, length] of lengths.entries()) {
      const own = (data: Float32Array, size: number) => data.slice(row * size, (row + 1) * size)
      const alone = {
        query: matrix('query', 1, own(query, width)),
        keys: matrix('keys', room, own(keys, room * width)),
        values: matrix('values', room, own(values, room * width)),
        output: gpu.tensor('output', [1, width]),
        cursor: createCursor(gpu),
      }
      writeCursor(gpu, alone.cursor, state(length))
      runOnce(gpu, (program) => attention[record](program, { ...alone, rows: 1, heads }))
      expect(together.slice(row * width, (row + 1) * width), `${record} ${row}`).toEqual(await gpu.read(alone.output))
    }
  }
})

it('refuses shapes that do not fit', async () => {
  const attention = await loadAttention(gpu, 4)
  const tensor = (...shape: number[]) => gpu.tensor('t', shape)
  const good = {
    query: tensor(2, 16),
    keys: tensor(4, 16),
    values: tensor(4, 16),
    output: tensor(2, 16),
    rows: 2,
    heads: 4,
    cursor: createCursor(gpu),
  }
  const bad = [
    { ...good, heads: 3 },
    { ...good, heads: 2 },
    { ...good, heads: 0 },
    { ...good, rows: 3 },
    { ...good, values: tensor(3, 16) },
    { ...good, keys: tensor(4, 12) },
    { ...good, cursor: tensor(4) },
  ]
  for (const call of bad) expect(() => attention.recordCausal(gpu.program('refused'), call)).toThrow(/^causalAttention: /)
  for (const headDim of [0, 0.5, 257]) await expect(loadAttention(gpu, headDim)).rejects.toThrow(/^attention: /)
})
