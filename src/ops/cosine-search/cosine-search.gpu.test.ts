import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InvalidInput } from '../../errors'
import { type Gpu, requestGpu } from '../../gpu'
import { type Kind, kinds, numbers, runOnce } from '../testing'
import {
  bestRows,
  type CosineSearch,
  cosineErrorBound,
  cosineReference,
  type FoundRow,
  loadCosineSearch,
  packedWidth,
  packRows,
  rankedRows,
} from '.'
import { cosineSearchReference } from './reference'

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

interface Case {
  rows: number
  dim: number
  kept: number
  queries?: number
  kind?: Kind
}

/** What the kernel finds among rows [n, dim] for queries [q, dim]. */
async function find(search: CosineSearch, queries: Float32Array, rows: Float32Array, dim: number, kept: number): Promise<FoundRow[][]> {
  const [count, n] = [queries.length / dim, rows.length / dim]
  const tensors = {
    queries: gpu.tensor('queries', [count, packedWidth(dim)], { data: packRows(queries, dim) }),
    concepts: gpu.tensor('concepts', [n, packedWidth(dim)], { data: packRows(rows, dim) }),
    best: bestRows(gpu, count, n, kept),
  }
  runOnce(gpu, (program) => search.record(program, { ...tensors, kept }))
  const found = rankedRows(await gpu.read(tensors.best), count, kept)
  for (const tensor of Object.values(tensors)) tensor.destroy()
  return found
}

/** The order may differ from the reference's only among cosines that f32 cannot tell apart. */
function expectFound(found: FoundRow[], query: Float32Array, rows: Float32Array, kept: number, note: string): void {
  const dim = query.length
  const want = cosineSearchReference(query, rows, kept)
  const bound = cosineErrorBound(dim)
  expect(found.length, note).toBe(want.length)
  expect(new Set(found.map(({ row }) => row)).size, note).toBe(found.length)
  for (const [i, { row, cosine }] of found.entries()) {
    const exact = cosineReference(query, rows.subarray(row * dim, (row + 1) * dim)) as number
    expect(Math.abs(cosine - exact), `${note}: rank ${i}, row ${row}, ${cosine} for ${exact}`).toBeLessThanOrEqual(bound)
    expect(Math.abs(exact - want[i]!.cosine), `${note}: rank ${i} is row ${row}, not ${want[i]!.row}`).toBeLessThanOrEqual(2 * bound)
  }
}

describe.each([1, 8, 128])('cosineSearch with %i lanes a row', (lanes) => {
  let search: CosineSearch
  beforeAll(async () => {
    search = await loadCosineSearch(gpu, lanes)
  })

  const cases: Case[] = [
    { rows: 1, dim: 1, kept: 1 },
    { rows: 5, dim: 3, kept: 5, queries: 2 },
    { rows: 127, dim: 4, kept: 10 },
    { rows: 1023, dim: 5, kept: 3 },
    { rows: 1024, dim: 31, kept: 1024 },
    { rows: 1025, dim: 32, kept: 7, queries: 3 },
    { rows: 2600, dim: 33, kept: 40 },
    { rows: 300, dim: 256, kept: 20 },
    { rows: 150, dim: 1025, kept: 9 },
    ...kinds.map((kind) => ({ rows: 1100, dim: 67, kept: 12, kind })),
  ].map((one) => ({ kind: 'plain', ...one }))
  it.each(cases)(
    'finds what the reference finds: $rows rows of $dim, $kept kept, $kind',
    async ({ rows, dim, kept, queries = 1, kind }) => {
      const matrix = numbers(rows * dim, 1, kind)
      const questions = numbers(queries * dim, 2, kind)
      const found = await find(search, questions, matrix, dim, kept)
      expect(found).toHaveLength(queries)
      for (const [q, list] of found.entries()) {
        expectFound(list, questions.subarray(q * dim, (q + 1) * dim), matrix, kept, `query ${q}`)
      }
    },
  )

  it('stands numbers at both ends of f32, and rows and queries of zeros are never found', async () => {
    const [dim, n] = [6, 40]
    const matrix = numbers(n * dim, 3)
    const scales = [3e38, 1e-38, 1e-45, 1e20, 1]
    for (let row = 0; row < n; row++) {
      for (let i = 0; i < dim; i++) matrix[row * dim + i]! *= row % 7 === 6 ? 0 : scales[row % scales.length]!
    }
    const queries = new Float32Array([
      ...numbers(dim, 4).map((x) => x * 3e38),
      ...numbers(dim, 4).map((x) => x * 1e-40),
      ...Array(dim).fill(0),
    ])
    const [large, tiny, none] = await find(search, queries, matrix, dim, n)
    expectFound(large!, queries.subarray(0, dim), matrix, n, 'large')
    expectFound(tiny!, queries.subarray(dim, 2 * dim), matrix, n, 'tiny')
    const withDirection = Array.from({ length: n }, (_, row) => matrix.subarray(row * dim, (row + 1) * dim)).filter((row) =>
      row.some(Boolean),
    )
    expect(large).toHaveLength(withDirection.length)
    expect(withDirection.length).toBeLessThan(n)
    expect(none).toEqual([])
  })

  it('puts the lower row first among equals, in one tile and across tiles, however often it is asked', async () => {
    const [dim, n] = [8, 3000]
    const one = numbers(dim, 5)
    const matrix = Float32Array.from({ length: n * dim }, (_, i) => one[i % dim]! * 2 ** (Math.floor(i / dim) % 5))
    const first = await find(search, one, matrix, dim, 30)
    expect(first[0]!.map(({ row }) => row)).toEqual(Array.from({ length: 30 }, (_, row) => row))
    expect(await find(search, one, matrix, dim, 30)).toEqual(first)
  })
})

it('refuses what does not fit', async () => {
  const search = await loadCosineSearch(gpu)
  const program = gpu.program('refused')
  const tensor = (...shape: number[]) => gpu.tensor('t', shape)
  const good = { queries: tensor(1, 8), concepts: tensor(9, 8), kept: 2, best: bestRows(gpu, 1, 9, 2) }
  search.record(program, good)
  const bad = [
    { ...good, kept: 0 },
    { ...good, kept: 1025 },
    { ...good, queries: tensor(1, 4) },
    { ...good, queries: tensor(1, 6), concepts: tensor(9, 6) },
    { ...good, best: tensor(1, 1, 3, 2) },
  ]
  for (const call of bad) expect(() => search.record(program, call)).toThrow(/^cosineSearch: /)
  for (const number of [Number.NaN, Number.POSITIVE_INFINITY]) expect(() => packRows(Float32Array.of(1, number), 2)).toThrow(InvalidInput)
})
