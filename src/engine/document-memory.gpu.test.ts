import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DeviceLost } from '../errors'
import { type Gpu, requestGpu } from '../gpu'
import type { ConceptModel } from '../models/concept-model'
import { generate, seededNoise } from '../models/generate'
import { loadBaseLcm, loadOneTower, loadQuantLcm, loadTwoTower, type Machine } from '../models/machine'
import { Random } from '../models/random'
import { RandomWeights } from '../models/random-weights'
import { baseLcmShapes, oneTowerShapes, quantLcmShapes, twoTowerShapes } from '../models/shapes'
import { ConceptStates } from '../store/concept-states'
import { MemoryStorage } from '../store/testing'
import { DocumentMemory } from './document-memory'

const sizes = { sonar_dim: 12, model_dim: 32, heads: 4, ffn_inner: 40, max_seq_len: 120 }
const twoTower = { ...sizes, context_layers: 2, denoiser_layers: 2 }
const oneTower = { ...sizes, layers: 4, timestep_embed_dim: 9 }
const baseLcm = { ...sizes, layers: 4 }
const quantLcm = { ...sizes, layers: 4, codebook_embed_dim: 5, n_codebooks: 3, n_units_per_codebook: 9 }
const dim = sizes.sonar_dim
/** Rows are 268 numbers: eight in a chunk. */
const chunkBytes = 10_000

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})

function concepts(n: number, seed = 1): Float32Array {
  return new Random(seed, 0).gaussians(n * dim)
}

function joined(...parts: Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]))
}

interface Visit {
  on: ConceptModel
  memory: DocumentMemory
}

/** A tab that opens on what is stored. */
function visitOn(on: ConceptModel, storage: MemoryStorage, identity = 'model'): Visit {
  return { on, memory: new DocumentMemory(on, new ConceptStates({ storage, chunkBytes }), identity) }
}

/** Continues a document by `count` concepts, as the engine does; only the first `kept` rows may be stored. */
async function go({ on, memory }: Visit, document: Float32Array, count = 2, kept?: number) {
  const rows = await memory.recall(document)
  const found: Float32Array[] = []
  const sampling = { steps: 3, guidanceScale: 2, temperature: 0.3 }
  for await (const { concept } of generate(on, document, { noise: seededNoise(2), sampling, maxConcepts: count })) {
    if (found.length === 0) memory.keep(kept)
    memory.extend(concept)
    found.push(concept)
  }
  memory.keep(kept)
  await memory.stored()
  return { rows, found: joined(...found) }
}

const families: [string, (machine: Machine) => Promise<ConceptModel>][] = [
  ['Two-Tower', (machine) => loadTwoTower(machine, new RandomWeights(twoTowerShapes(twoTower)), twoTower)],
  ['One-Tower', (machine) => loadOneTower(machine, new RandomWeights(oneTowerShapes(oneTower)), oneTower)],
  ['Base-LCM', (machine) => loadBaseLcm(machine, new RandomWeights(baseLcmShapes(baseLcm)), baseLcm)],
]
const onMachines = [
  ...families.flatMap(([name, loadOn]) => (['webgpu', 'wasm'] as const).map((backend) => ({ name, backend, loadOn }))),
  {
    name: 'Quant-LCM',
    backend: 'webgpu' as const,
    loadOn: (machine: Machine) =>
      loadQuantLcm(machine, new RandomWeights(quantLcmShapes('quant_lcm_c', quantLcm)), 'quant_lcm_c', quantLcm),
  },
]

describe.each(onMachines)('$name on $backend', ({ backend, loadOn }) => {
  const load = () => loadOn(backend === 'wasm' ? backend : gpu)
  let model: ConceptModel
  beforeAll(async () => {
    model = await load()
  })
  afterAll(() => model.dispose())

  const visit = (storage: MemoryStorage, on = model.fork(), identity?: string) => visitOn(on, storage, identity)

  /** The same without any memory. */
  async function cold(document: Float32Array, count = 2): Promise<Float32Array> {
    const fresh = visit(new MemoryStorage())
    const { found } = await go(fresh, document, count)
    fresh.on.dispose()
    return found
  }

  test('after a reload nothing is computed again, and the text goes on in the same bits', async () => {
    const storage = new MemoryStorage()
    const document = concepts(21)
    const first = await go(visit(storage), document, 2)
    expect(first.rows).toEqual({ remembered: 0, restored: 0, computed: 21 })
    const reloaded = visit(storage, await load())
    const second = await go(reloaded, document, 4)
    expect(second.rows).toEqual({ remembered: 0, restored: 21, computed: 0 })
    expect(second.found.subarray(0, 2 * dim)).toEqual(first.found)
    expect(second.found).toEqual(await cold(document, 4))
    const third = await go(visit(storage), joined(document, second.found.subarray(0, 3 * dim)), 1)
    expect(third.rows).toEqual({ remembered: 0, restored: 24, computed: 0 })
    expect(third.found).toEqual(second.found.subarray(3 * dim))
  })

  test('an appended sentence costs one row, an edit what follows it, a common beginning nothing', async () => {
    const storage = new MemoryStorage()
    const document = concepts(30)
    const here = visit(storage)
    await go(here, document)
    const appended = joined(document, concepts(1, 5))
    expect((await go(here, appended)).rows).toEqual({ remembered: 30, restored: 0, computed: 1 })
    const edited = joined(document.subarray(0, 20 * dim), concepts(1, 6), document.subarray(21 * dim))
    const inMemory = await go(here, edited)
    expect(inMemory.rows).toEqual({ remembered: 20, restored: 0, computed: 10 })
    expect(inMemory.found).toEqual(await cold(edited))

    const otherEdit = joined(document.subarray(0, 19 * dim), concepts(1, 7), document.subarray(20 * dim))
    const reloaded = await go(visit(storage), otherEdit)
    expect(reloaded.rows).toEqual({ remembered: 0, restored: 19, computed: 11 })
    expect(reloaded.found).toEqual(await cold(otherEdit))
    expect((await go(visit(storage), appended)).rows).toEqual({ remembered: 0, restored: 31, computed: 0 })
    expect((await go(here, appended)).rows).toEqual({ remembered: 20, restored: 11, computed: 0 })
  })

  test.each([16, 20])(
    'of a text of %i concepts with more behind it, the text alone is stored when nothing else is to be kept',
    async (length) => {
      const storage = new MemoryStorage()
      const text = concepts(length)
      const asked = joined(text, concepts(1, 9))
      const here = visit(storage)
      const { rows, found } = await go(here, asked, 3, length)
      expect(rows).toEqual({ remembered: 0, restored: 0, computed: length + 1 })
      expect(found).toEqual(await cold(asked, 3))
      const answered = joined(asked, found)
      const reloaded = await go(visit(storage), answered, 1, length)
      expect(reloaded.rows).toEqual({ remembered: 0, restored: length, computed: 4 })
      expect((await go(here, answered, 1, length)).rows).toEqual({ remembered: length + 3, restored: 0, computed: 1 })
      // What is kept of the text afterwards is all that grows out of it.
      const longer = await go(here, joined(text, concepts(1, 5)))
      expect(longer.rows).toEqual({ remembered: length, restored: 0, computed: 1 })
      expect((await go(visit(storage), joined(text, concepts(1, 5)))).rows).toEqual({ remembered: 0, restored: length + 1, computed: 0 })
    },
  )

  test('any history of visits, edits and growth gives the concepts of a cold start', async () => {
    const letter = fc.integer({ min: 1, max: 2 })
    const history = fc.array(fc.record({ text: fc.array(letter, { minLength: 1, maxLength: 20 }), reload: fc.boolean() }), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        const storage = new MemoryStorage()
        let here = visit(storage)
        for (const { text, reload } of steps) {
          if (reload) here = visit(storage)
          const document = joined(...text.map((seed) => concepts(1, seed)))
          const { rows, found } = await go(here, document, 1)
          expect(rows.remembered + rows.restored + rows.computed).toBe(text.length)
          expect(found).toEqual(await cold(document, 1))
        }
      }),
      { numRuns: 8 },
    )
  })

  test('rows of another model, and damaged ones, are computed', async () => {
    const storage = new MemoryStorage()
    const document = concepts(20)
    const { found } = await go(visit(storage), document)
    expect((await go(visit(storage, model.fork(), 'another'), document)).rows.computed).toBe(20)
    const damaged = [...storage.values].find(([, value]) => value instanceof Uint8Array)!
    ;(damaged[1] as Uint8Array)[77]! ^= 1
    const again = await go(visit(storage), document)
    expect(again.rows).toEqual({ remembered: 0, restored: 0, computed: 20 })
    expect(again.found).toEqual(found)
    expect((await go(visit(storage), document)).rows.restored).toBe(20)
  })

  test('without a working store, or with a full one, everything is computed', async () => {
    const document = concepts(5)
    const storage = new MemoryStorage()
    storage.room = 10
    expect((await go(visit(storage), document)).rows.computed).toBe(5)
    storage.broken = new Error('no')
    expect((await go(visit(storage), document)).rows.computed).toBe(5)
  })
})

test.each(families)(
  '%s: a device lost while rows are on their way to the store ends the document’s use, not the tab',
  async (_, loadOn) => {
    const doomed = await requestGpu()
    const storage = new MemoryStorage()
    const here = visitOn(await loadOn(doomed), storage)
    const document = concepts(20)
    await here.memory.recall(document)
    await here.on.append(document)
    here.memory.keep()
    doomed.destroy()
    await here.memory.stored()
    await expect(here.on.predict({ noise: seededNoise(1)(0) })).rejects.toThrow(DeviceLost)
    const [again, cold] = [await loadOn(gpu), await loadOn(gpu)]
    const { found } = await go(visitOn(again, storage), document)
    expect(found).toEqual((await go(visitOn(cold, new MemoryStorage()), document)).found)
    for (const model of [again, cold]) model.dispose()
  },
)
