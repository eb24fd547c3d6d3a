import fc from 'fast-check'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { ContextFull, InvalidInput } from '../errors'
import { type Gpu, requestGpu } from '../gpu'
import { worstOffender } from '../ops/compare'
import type { ConceptModel } from './concept-model'
import { seededNoise } from './generate'
import { loadBaseLcm, loadOneTower, loadQuantLcm, loadTwoTower, type Machine } from './machine'
import { Random } from './random'
import { RandomWeights } from './random-weights'
import { baseLcmShapes, oneTowerShapes, quantLcmShapes, twoTowerShapes } from './shapes'

const sizes = { sonar_dim: 13, model_dim: 32, heads: 4, ffn_inner: 40, max_seq_len: 150 }
const twoTower = { ...sizes, context_layers: 2, denoiser_layers: 3 }
const oneTower = { ...sizes, layers: 3, timestep_embed_dim: 7 }
const baseLcm = { ...sizes, layers: 2 }
const quantLcm = { ...sizes, layers: 2, codebook_embed_dim: 5, n_codebooks: 3, n_units_per_codebook: 9 }
const machines = ['webgpu', 'wasm'] as const
const document = new Random(7, 0).gaussians(150 * sizes.sonar_dim)

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})

function concepts(start: number, end: number): Float32Array {
  return document.subarray(start * sizes.sonar_dim, end * sizes.sonar_dim)
}

/** The next two concepts, the first of them in the document. The model is left as it was. */
async function continued(model: ConceptModel): Promise<Float32Array[]> {
  const { length } = model
  const sampling = { steps: 4, guidanceScale: 2, temperature: 0.5 }
  const predict = (position: number) => model.predict({ noise: seededNoise(3)(position), sampling })
  const first = await predict(length)
  await model.append(first)
  const second = await predict(length + 1)
  model.truncate(length)
  return [first, second]
}

const families: [string, number, (machine: Machine) => Promise<ConceptModel>][] = [
  ['Two-Tower', 13 + 2 * 32 * 5, (machine) => loadTwoTower(machine, new RandomWeights(twoTowerShapes(twoTower)), twoTower)],
  ['One-Tower', 13 + 2 * 32 * 3, (machine) => loadOneTower(machine, new RandomWeights(oneTowerShapes(oneTower)), oneTower)],
  ['Base-LCM', 13 + 2 * 32 * 2, (machine) => loadBaseLcm(machine, new RandomWeights(baseLcmShapes(baseLcm)), baseLcm)],
]

test.each(families)('%s: rows of the processor are laid out as those of the GPU', async (_, __, loadOn) => {
  const [onGpu, onProcessor] = [await loadOn(gpu), await loadOn('wasm')]
  for (const model of [onGpu, onProcessor]) await model.append(concepts(0, 9))
  const want = await onGpu.exportRows(0, 9)
  expect(worstOffender(await onProcessor.exportRows(0, 9), want).relative).toBeLessThan(5e-6)
  for (const model of [onGpu, onProcessor]) model.dispose()
})

const quantLcmCase = {
  name: 'Quant-LCM',
  machine: 'webgpu' as const,
  rowWidth: 13 + 2 * 32 * 2,
  loadOn: (machine: Machine) => loadQuantLcm(machine, new RandomWeights(quantLcmShapes('quant_lcm_d', quantLcm)), 'quant_lcm_d', quantLcm),
}
const cases = [
  ...families.flatMap(([name, rowWidth, loadOn]) => machines.map((machine) => ({ name, machine, rowWidth, loadOn }))),
  quantLcmCase,
]

describe.each(cases)('$name on $machine', ({ machine, rowWidth, loadOn }) => {
  const load = () => loadOn(machine === 'wasm' ? machine : gpu)

  test('a memory made of exported rows goes on with the very same bits', async () => {
    const model = await load()
    expect(model.rowWidth).toBe(rowWidth)
    await model.append(concepts(0, 140))
    const rows = await model.exportRows(0, 140)
    expect(rows.length).toBe(140 * rowWidth)
    const cases = fc.tuple(fc.integer({ min: 1, max: 138 }), fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 3 }))
    await fc.assert(
      fc.asyncProperty(cases, async ([length, portions]) => {
        const restored = model.fork()
        for (const portion of [...portions, length]) {
          const end = Math.min(restored.length + portion, length)
          await restored.importRows(rows.subarray(restored.length * rowWidth, end * rowWidth))
        }
        model.truncate(length)
        expect(await continued(restored)).toEqual(await continued(model))
        await restored.append(concepts(length, 140))
        await model.append(concepts(length, 140))
        expect(await restored.exportRows(0, 140)).toEqual(rows)
        expect(await continued(restored)).toEqual(await continued(model))
        restored.dispose()
      }),
      { numRuns: 5 },
    )
    model.dispose()
  })

  test('a fresh model, as after a reload, takes the rows and continues alike', async () => {
    const model = await load()
    await model.append(concepts(0, 9))
    const rows = await model.exportRows(0, 9)
    const expected = await continued(model)
    model.dispose()
    const fresh = await load()
    await fresh.importRows(rows)
    expect(await continued(fresh)).toEqual(expected)
    fresh.dispose()
  })

  test('the rows of a range, of the last concept at once and of none are those of the whole', async () => {
    const model = await load()
    await model.append(concepts(0, 70))
    const reads = vi.spyOn(gpu, 'readRanges')
    const rows = await model.exportRows(0, 70)
    expect(reads).toHaveBeenCalledTimes(machine === 'wasm' ? 0 : 1)
    reads.mockRestore()
    expect(await model.exportRows(3, 66)).toEqual(rows.subarray(3 * rowWidth, 66 * rowWidth))
    await model.append(concepts(70, 71))
    const [last, next] = await Promise.all([model.exportRows(70, 71), model.append(concepts(71, 72))])
    expect(next).toBeUndefined()
    model.truncate(71)
    expect(await model.exportRows(70, 71)).toEqual(last)
    expect(await model.exportRows(5, 5)).toEqual(new Float32Array(0))
    model.dispose()
  })

  test('what does not fit is refused and leaves the memory as it was', async () => {
    const model = await load()
    await model.append(concepts(0, 100))
    const expected = await continued(model)
    const rows = await model.exportRows(0, 51)
    await expect(model.importRows(rows)).rejects.toThrow(ContextFull)
    await expect(model.importRows(rows.subarray(1))).rejects.toThrow(InvalidInput)
    for (const [start, end] of [
      [0, 101],
      [-1, 3],
      [4, 3],
      [0.5, 3],
    ] as const) {
      await expect(model.exportRows(start, end)).rejects.toThrow(InvalidInput)
    }
    expect(model.length).toBe(100)
    expect(await continued(model)).toEqual(expected)
    model.dispose()
  })
})
