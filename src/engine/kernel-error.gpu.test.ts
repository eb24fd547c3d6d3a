import { afterAll, beforeAll, expect, test } from 'vitest'
import { KernelError } from '../errors'
import type { BaseLcmManifest } from '../formats/concept-model-manifest'
import { type Gpu, requestGpu } from '../gpu'
import { Random } from '../models/random'
import { RandomWeights } from '../models/random-weights'
import { baseLcmShapes } from '../models/shapes'
import { ConceptStates } from '../store/concept-states'
import { MemoryStorage } from '../store/testing'
import { joined } from './device-loss'
import { Predictor } from './predictor'

const dim = 12
const manifest: BaseLcmManifest = {
  family: 'base_lcm',
  file: '',
  architecture: { sonar_dim: dim, model_dim: 32, heads: 4, layers: 2, ffn_inner: 40, max_seq_len: 120 },
  decoding: { endOfTextThreshold: 2, stopOnRepetitionThreshold: 2, beam: 1, sample: false, temperature: 0 },
}
const weights = new RandomWeights(baseLcmShapes(manifest.architecture)).file()
/** The caches have room for four more at first. */
const prompt = new Random(5, 0).gaussians(60 * dim)

const { createBuffer } = GPUDevice.prototype
/** Whether there is no memory left for caches. */
let isFull = false

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
  GPUDevice.prototype.createBuffer = function (descriptor) {
    if (!isFull || !descriptor.label?.startsWith('context layer')) return createBuffer.call(this, descriptor)
    // A buffer that cannot be used, as where there is no memory: what is done with it is refused, and that is told later.
    this.pushErrorScope('validation')
    const buffer = createBuffer.call(this, { ...descriptor, usage: 0 })
    this.popErrorScope()
    return buffer
  }
})
afterAll(() => {
  Object.assign(GPUDevice.prototype, { createBuffer })
  gpu.destroy()
})

/** Continues a document by `concepts`, which are added to `found` as they come. */
async function go(predictor: Predictor, document: Float32Array, concepts: number, found: Float32Array[] = []) {
  const rows = await predictor.recall(document)
  const settings = { seed: 1, sampling: {}, signal: new AbortController().signal, concepts }
  for await (const { embedding } of predictor.generate(document, settings)) found.push(embedding)
  return { rows, found }
}

test('of caches that could not grow nothing is stored, and a predictor made ready anew goes on as if nothing had been', async () => {
  const open = (storage = new MemoryStorage()) => {
    const states = new ConceptStates({ storage })
    return Predictor.open(gpu, manifest, { weights, endOfText: new Float32Array(dim), states, identity: 'model' })
  }
  const { found } = await go(await open(), prompt, 8)

  const storage = new MemoryStorage()
  const broken = await open(storage)
  const before: Float32Array[] = []
  isFull = true
  await expect(go(broken, prompt, 8, before)).rejects.toThrow(KernelError)
  isFull = false
  await broken.stored()
  broken.dispose()
  expect(before.length).toBeGreaterThan(0)
  expect(before).toEqual(found.slice(0, before.length))

  const anew = await open(storage)
  const rest = await go(anew, joined([prompt, ...before]), 8 - before.length)
  expect(rest).toEqual({ rows: { remembered: 0, restored: 60, computed: before.length }, found: found.slice(before.length) })
  anew.dispose()
})
