import { bench, describe } from 'vitest'
import { ConceptIndex } from '../src/engine/concept-index'
import { ConceptMemory } from '../src/engine/concept-memory'
import { WebGpuUnavailable } from '../src/errors'
import { requestGpu } from '../src/gpu'
import { RememberedConcepts } from '../src/store/remembered-concepts'
import { indexedDbStorage } from '../src/store/storage'

// The ten nearest of many concepts by cosine, as `memory.search` finds them with vectors in GPU memory: kernel, read-back and the f64 ranking of
// what the kernel found. Against it the same search in plain JavaScript on one thread: a dot product with every row of one Float32Array, brought
// to length 1 beforehand, and a list of the ten best. Then the first search after a reload, from the store to the answer.

const dim = 256
const k = 10
const mostRows = Number(import.meta.env.VITE_SEARCH_ROWS ?? 1_000_000)
const storedRows = Math.min(100_000, mostRows)

const gpu = await requestGpu()
console.log(`adapter: ${gpu.info.description || `${gpu.info.vendor} ${gpu.info.architecture}`}${gpu.info.software ? ' (software)' : ''}`)

const concepts = unitRows(mostRows)
const query = concepts.slice(dim * 777, dim * 778).map((x, i) => x + (i % 3) / 100)
normalise(query)

for (const rows of [10_000, 100_000, 1_000_000].filter((rows) => rows <= mostRows)) {
  const some = concepts.subarray(0, rows * dim)
  const index = await ConceptIndex.open(gpu, dim)
  const start = performance.now()
  for (let row = 0; row < rows; row += 64) {
    index.put({ key: String(row).padStart(7, '0'), checksum: 0 }, some.subarray(row * dim, Math.min(rows, row + 64) * dim))
  }
  const [hits] = (await index.search(query, k)) ?? []
  console.log(`${rows} rows: filling GPU memory and the first search take ${(performance.now() - start).toFixed(0)} ms`)
  const same = hits?.map(({ rows, offset }) => Number(rows.key) + offset).join()
  if (same !== nearest(query, some).join()) throw new Error(`The searches differ at ${rows} rows.`)

  describe(`the ${k} nearest of ${rows} concepts of ${dim} numbers`, () => {
    const options = { time: 0, iterations: rows < mostRows ? 5 : 3, warmupTime: 0, warmupIterations: 0 }
    bench('WGSL, with the ranking in f64', async () => void (await index.search(query, k)), options)
    bench('JavaScript, typed arrays, one thread', () => void nearest(query, some), options)
  })
}

const storage = () => indexedDbStorage('noema-test-search')
const space = { fingerprint: 'bench', dim }
await storage().delete(await storage().keys())
const first = performance.now()
await new RememberedConcepts(space, { storage: storage() }).replace(
  { kind: 'notes', id: 'bench' },
  Array.from({ length: storedRows }, (_, n) => ({
    text: `This is the sentence number ${n} of many.`,
    language: 'eng_Latn',
    vector: concepts.subarray(n * dim, (n + 1) * dim),
  })),
)
console.log(`${storedRows} sentences: writing them to the store takes ${(performance.now() - first).toFixed(0)} ms`)

describe(`the first search among ${storedRows} remembered sentences after a reload`, () => {
  const options = { time: 0, iterations: 3, warmupTime: 0, warmupIterations: 0 }
  bench(
    'WGSL: the store is read into GPU memory',
    async () => {
      const device = await requestGpu()
      await new ConceptMemory(space, async () => device, { storage: storage() }).search(query, k)
      device.destroy()
    },
    options,
  )
  bench(
    'no GPU: the store is read through',
    async () => void (await new ConceptMemory(space, none, { storage: storage() }).search(query, k)),
    options,
  )
  bench(
    'of these, reading the store and checking what was read',
    async () => {
      for await (const _ of new RememberedConcepts(space, { storage: storage() }).chunks());
    },
    options,
  )
})

const settled = new ConceptMemory(space, none, { storage: storage() })
await settled.search(query, k)
describe(`every further search among ${storedRows} remembered sentences`, () => {
  bench('no GPU: from memory, with the sentences of what is found', async () => void (await settled.search(query, k)), { iterations: 5 })
})

function none(): Promise<never> {
  return Promise.reject(new WebGpuUnavailable('none'))
}

/** Vectors [n, dim] of length 1, in directions that have nothing to do with each other. */
function unitRows(n: number): Float32Array {
  const rows = new Float32Array(n * dim)
  let state = 1
  for (let i = 0; i < rows.length; i++) {
    // xorshift32: a gigabyte from the library's own generator would take longer than what is measured.
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    rows[i] = state / 2 ** 31
  }
  for (let row = 0; row < n; row++) normalise(rows.subarray(row * dim, (row + 1) * dim))
  return rows
}

function normalise(row: Float32Array): void {
  let squares = 0
  for (const x of row) squares += x * x
  const scale = 1 / Math.sqrt(squares)
  for (let i = 0; i < row.length; i++) row[i]! *= scale
}

/** Indices of the k rows of length 1 nearest to a query, best first. */
function nearest(query: Float32Array, rows: Float32Array): number[] {
  const best: { row: number; cosine: number }[] = []
  let least = Number.NEGATIVE_INFINITY
  for (let start = 0, row = 0; start < rows.length; start += dim, row++) {
    // Four sums, so that one addition need not wait for the one before.
    let a = 0
    let b = 0
    let c = 0
    let d = 0
    for (let i = 0; i < dim; i += 4) {
      a += query[i]! * rows[start + i]!
      b += query[i + 1]! * rows[start + i + 1]!
      c += query[i + 2]! * rows[start + i + 2]!
      d += query[i + 3]! * rows[start + i + 3]!
    }
    const cosine = a + b + c + d
    if (cosine <= least) continue
    best.push({ row, cosine })
    best.sort((x, y) => y.cosine - x.cosine)
    if (best.length > k) best.pop()
    if (best.length === k) least = best[k - 1]!.cosine
  }
  return best.map(({ row }) => row)
}
