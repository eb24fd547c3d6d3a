import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { KernelError } from '../errors'
import { type Gpu, requestGpu } from '../gpu'
import type { ConceptModel } from './concept-model'
import { seededNoise } from './generate'
import { loadBaseLcm, loadOneTower, loadQuantLcm, loadTwoTower } from './machine'
import { Random } from './random'
import { RandomWeights } from './random-weights'
import { baseLcmShapes, oneTowerShapes, quantLcmShapes, twoTowerShapes } from './shapes'

const sizes = { sonar_dim: 12, model_dim: 32, heads: 4, ffn_inner: 40, max_seq_len: 90 }
const twoTower = { ...sizes, context_layers: 2, denoiser_layers: 2 }
const baseLcm = { ...sizes, layers: 2 }
const oneTower = { ...baseLcm, timestep_embed_dim: 8 }
const quantLcm = { ...baseLcm, codebook_embed_dim: 8, n_codebooks: 3, n_units_per_codebook: 20 }

const models: [name: string, load: (gpu: Gpu) => Promise<ConceptModel>][] = [
  ['a Two-Tower model', (gpu) => loadTwoTower(gpu, new RandomWeights(twoTowerShapes(twoTower)), twoTower)],
  ['a Base-LCM', (gpu) => loadBaseLcm(gpu, new RandomWeights(baseLcmShapes(baseLcm)), baseLcm)],
  ['a One-Tower model', (gpu) => loadOneTower(gpu, new RandomWeights(oneTowerShapes(oneTower)), oneTower)],
  ['a Quant-LCM', (gpu) => loadQuantLcm(gpu, new RandomWeights(quantLcmShapes('quant_lcm_c', quantLcm)), 'quant_lcm_c', quantLcm)],
]

const { createBuffer, createComputePipelineAsync } = GPUDevice.prototype
/** Buffers that nobody has freed. */
const held = new Set<GPUBuffer>()
/** Those of models: parameters and what is read back through belong to the device. */
const heldByModels = () => [...held].map(({ label }) => label).filter((label) => label !== 'params' && label !== 'staging')

beforeAll(() => {
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor)
    const destroy = buffer.destroy.bind(buffer)
    buffer.destroy = () => {
      held.delete(buffer)
      return destroy()
    }
    held.add(buffer)
    return buffer
  }
})

let gpu: Gpu
beforeEach(async () => {
  GPUDevice.prototype.createComputePipelineAsync = createComputePipelineAsync
  held.clear()
  gpu = await requestGpu()
})
afterAll(() => Object.assign(GPUDevice.prototype, { createBuffer, createComputePipelineAsync }))

test.each(models)('nothing of %s is left on the GPU when its last memory is disposed of', async (_, load) => {
  const model = await load(gpu)
  const fork = model.fork()
  for (const memory of [model, fork]) {
    await memory.append(new Random(1, 0).gaussians(70 * sizes.sonar_dim))
    await memory.predict({ noise: seededNoise(1)(70), sampling: { steps: 2, guidanceScale: 2, eta: 0.5 } })
  }
  model.dispose()
  expect(heldByModels()).not.toEqual([])
  fork.dispose()
  expect(heldByModels()).toEqual([])
  gpu.destroy()
})

test.each(models)('nothing of %s is left where a kernel was refused', async (_, load) => {
  GPUDevice.prototype.createComputePipelineAsync = async () => {
    throw new Error('refused')
  }
  await expect(load(gpu)).rejects.toThrow(KernelError)
  expect(heldByModels()).toEqual([])
  gpu.destroy()
})
