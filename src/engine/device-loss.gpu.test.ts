import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DeviceLost } from '../errors'
import type { BaseLcmManifest, ConceptModelManifest, TwoTowerManifest } from '../formats/concept-model-manifest'
import { type Gpu, requestGpu } from '../gpu'
import { Random } from '../models/random'
import { RandomWeights } from '../models/random-weights'
import { schedulerDefaults } from '../models/schedule'
import { baseLcmShapes, twoTowerShapes } from '../models/shapes'
import { ConceptStates } from '../store/concept-states'
import { MemoryStorage } from '../store/testing'
import { continueDespiteLoss, type Ending } from './device-loss'
import { continueManyDespiteLoss } from './many-despite-loss'
import { Predictor } from './predictor'
import type { RowCounts } from './protocol'

const sizes = { sonar_dim: 12, model_dim: 32, heads: 4, ffn_inner: 40, max_seq_len: 120 }
const thresholds = { endOfTextThreshold: 2, stopOnRepetitionThreshold: 2, beam: 1 }
const twoTower: TwoTowerManifest = {
  family: 'two_tower',
  file: '',
  architecture: { ...sizes, context_layers: 2, denoiser_layers: 2 },
  scheduler: schedulerDefaults,
  decoding: { ...thresholds, steps: 4, guidanceScale: 3, guidanceRescale: 0.7, initialNoiseScale: 0.6, epsilonScaling: 1 },
}
/** Stops at the second concept, the first at which it may. */
const hasty: BaseLcmManifest = {
  family: 'base_lcm',
  file: '',
  architecture: { ...sizes, layers: 2 },
  decoding: { ...thresholds, stopOnRepetitionThreshold: -1, sample: false, temperature: 0 },
}
const weights = {
  two_tower: new RandomWeights(twoTowerShapes(twoTower.architecture)).file(),
  base_lcm: new RandomWeights(baseLcmShapes(hasty.architecture)).file(),
}
const prompt = new Random(5, 0).gaussians(20 * sizes.sonar_dim)

/** Calls of a device at which it can be lost: what uploads, compiles, binds and computes. */
const kinds = ['createBuffer', 'createComputePipelineAsync', 'createBindGroup', 'createCommandEncoder'] as const
const originals = kinds.map((kind) => GPUDevice.prototype[kind])
/** Called at each of them. */
let onCall: (device: GPUDevice) => void
let calls: number

beforeAll(() => {
  for (const [i, kind] of kinds.entries()) {
    // biome-ignore lint/suspicious/noExplicitAny: calls of every kind pass through unchanged
    GPUDevice.prototype[kind] = function (this: GPUDevice, ...values: any[]): any {
      calls++
      onCall(this)
      // biome-ignore lint/suspicious/noExplicitAny: as above
      return (originals[i] as any).apply(this, values)
    }
  }
})

afterAll(() => {
  for (const [i, kind] of kinds.entries()) Object.assign(GPUDevice.prototype, { [kind]: originals[i] })
})

beforeEach(() => {
  calls = 0
  onCall = () => undefined
})

/** A visit's way to the predictor, on the device there is. */
function opener(manifest: ConceptModelManifest, states = new ConceptStates({ storage: new MemoryStorage() })): () => Promise<Predictor> {
  let gpu: Gpu | undefined
  let predictor: Predictor | undefined
  const parts = { weights: weights[manifest.family as 'two_tower'], endOfText: new Float32Array(sizes.sonar_dim), states, identity: 'a' }
  return async () => {
    if (gpu && predictor && !gpu.hasEnded) return predictor
    gpu = await requestGpu()
    predictor = await Predictor.open(gpu, manifest, parts)
    return predictor
  }
}

/** @param onConcept called with each concept's number, from 0 */
async function go(
  open: () => Promise<Predictor>,
  concepts: number,
  onConcept: (index: number) => void = () => undefined,
): Promise<{ found: Float32Array[]; ending: Ending }> {
  const found: Float32Array[] = []
  const settings = { concepts, seed: 7, sampling: {}, signal: new AbortController().signal }
  const generation = continueDespiteLoss(open, prompt, settings)
  for (;;) {
    const { value, done } = await generation.next()
    if (done) return { found, ending: value }
    onConcept(found.push(value.embedding) - 1)
  }
}

/** Runs a task again and again, each time with a device that is lost at one of `points` calls spread over those that the last task made. */
async function loseAtCalls(points: number, task: (where: string) => Promise<void>): Promise<void> {
  const total = calls
  expect(total).toBeGreaterThan(100)
  for (let n = 0; n < points; n++) {
    const at = 1 + Math.round((n * (total - 2)) / (points - 1))
    calls = 0
    let losses = 0
    onCall = (device) => {
      if (calls !== at) return
      losses++
      device.destroy()
    }
    await task(`lost at call ${at} of ${total}`)
    expect(losses).toBe(1)
  }
}

describe('a device that is lost', () => {
  test('at any call of an upload, a prefill or a denoising loop changes no concept', async () => {
    const { found } = await go(opener(twoTower), 3)
    await loseAtCalls(5, async (where) => {
      expect((await go(opener(twoTower), 3)).found, where).toEqual(found)
    })
  })

  test('between two concepts costs no row that was stored, and the text ends where it would have', async () => {
    const unbroken = await go(opener(hasty), 5)
    expect(unbroken.ending.stop).toBe('repetition')
    expect(unbroken.found.length).toBe(2)
    let device: GPUDevice | undefined
    onCall = (current) => {
      device = current
    }
    const { found, ending } = await go(opener(hasty), 5, (index) => index === 0 && device!.destroy())
    expect(found).toEqual(unbroken.found)
    expect(ending).toMatchObject({ stop: 'repetition', rows: { computed: 20 } })
  })

  test('again and again ends the call with DeviceLost, and the next call works', async () => {
    const open = opener(hasty)
    const devices = new Set<GPUDevice>()
    onCall = (device) => {
      devices.add(device)
      if (devices.size <= 4) device.destroy()
    }
    await expect(go(open, 1)).rejects.toThrow(DeviceLost)
    expect(devices.size).toBe(4)
    expect((await go(open, 1)).found.length).toBe(1)
  })
})

describe('a device that is lost while several documents are continued', () => {
  const short = new Random(6, 0).gaussians(3 * sizes.sonar_dim)
  /** Two samples of one prompt, and a document of its own. */
  const documents = [
    { prompt, seed: 7 },
    { prompt, seed: 8 },
    { prompt: short, seed: 7 },
  ]

  /** @param onGroup called with the number of each group of concepts predicted together, from 0 */
  async function goTogether(open: () => Promise<Predictor>, concepts: number, onGroup: (group: number) => void = () => undefined) {
    const found: Float32Array[][] = documents.map(() => [])
    const stops: (string | null)[] = documents.map(() => null)
    const settings = { concepts, sampling: {}, signal: new AbortController().signal }
    const generation = continueManyDespiteLoss(open, documents, settings)
    for (let group = 0; ; group++) {
      const { value, done } = await generation.next()
      if (done) {
        await value.stored
        return { found, stops, rows: value.rows }
      }
      for (const { document, position, concept, stop } of value.concepts) {
        const length = documents[document]!.prompt.length / sizes.sonar_dim
        expect(position, 'every concept once and in its place').toBe(length + found[document]!.length)
        found[document]!.push(concept)
        stops[document] = stop
      }
      onGroup(group)
    }
  }

  const computed = (...counts: number[]): RowCounts[] => counts.map((computed) => ({ remembered: 0, restored: 0, computed }))

  test('at any call changes no concept and yields none twice', async () => {
    const unbroken = await goTogether(opener(twoTower), 3)
    await loseAtCalls(4, async (where) => {
      const { found, stops } = await goTogether(opener(twoTower), 3)
      expect({ found, stops }, where).toEqual({ found: unbroken.found, stops: unbroken.stops })
    })
    onCall = () => undefined
    expect(unbroken.found[0]).toEqual((await go(opener(twoTower), 3)).found)
    expect(unbroken.rows).toEqual(computed(20, 20, 3))
  })

  test('after every step, more often than a call bears without a step, they end as they would have', async () => {
    let device: GPUDevice | undefined
    onCall = (current) => {
      device = current
    }
    const unbroken = await goTogether(opener(twoTower), 4)
    let losses = 0
    const lose = () => {
      losses++
      device!.destroy()
    }
    expect(await goTogether(opener(twoTower), 4, lose)).toEqual(unbroken)
    expect(losses).toBe(4)
  })

  test('between two concepts keeps what had ended, and the rest ends where it would have', async () => {
    const unbroken = await goTogether(opener(hasty), 5)
    expect(unbroken.stops).toEqual(Array(3).fill('repetition'))
    let device: GPUDevice | undefined
    onCall = (current) => {
      device = current
    }
    expect(await goTogether(opener(hasty), 5, (group) => group === 0 && device!.destroy())).toEqual(unbroken)
  })

  test('again and again ends the call with DeviceLost, and the next call works', async () => {
    const open = opener(hasty)
    const devices = new Set<GPUDevice>()
    onCall = (device) => {
      devices.add(device)
      if (devices.size <= 4) device.destroy()
    }
    await expect(goTogether(open, 1)).rejects.toThrow(DeviceLost)
    expect(devices.size).toBe(4)
    expect((await goTogether(open, 1)).found.map(({ length }) => length)).toEqual([1, 1, 1])
  })
})
