import type { Gpu, Program, Tensor } from '../gpu'
import type { Kernels } from './kernels'
import type { ModelWeights, Projection } from './weights'

/** Width of the sinusoid features of a timestep; the model has no say in it. */
export const timestepFeatureWidth = 256

/** What turns a timestep into the shifts, scales and gates of the denoiser's layers. */
export interface ModulationWeights {
  fc1: Projection
  fc2: Projection
  /** Per layer d → 9d: [self-attention | cross-attention | feed-forward], each [shift | scale | gate]. */
  modulators: Projection[]
}

/** @throws ModelFormatError. */
export function loadModulation(weights: ModelWeights, { modelDim, layers }: { modelDim: number; layers: number }): ModulationWeights {
  return {
    fc1: weights.projection('denoiser.embed_time.fc1', modelDim, timestepFeatureWidth),
    fc2: weights.projection('denoiser.embed_time.fc2', modelDim, modelDim),
    modulators: Array.from({ length: layers }, (_, i) => weights.projection(`denoiser.layers.${i}.modulator.fc`, 9 * modelDim, modelDim)),
  }
}

/**
 * Per layer the table [timesteps, 9d] of modulator(SiLU(embedding(t))): it depends on nothing but the timestep, so it is computed once for a
 * schedule (reference/lcm.md §3.3, shortcut c). The caller destroys the tables.
 */
export function modulationTables(gpu: Gpu, kernels: Kernels, weights: ModulationWeights, timesteps: readonly number[]): Tensor[] {
  const embedding = timestepEmbedding(gpu, kernels, weights, timesteps, 'silu')
  // A submission each: all layers of a large model at once could keep a slow GPU busy for longer than browsers allow.
  const tables = weights.modulators.map((modulator) => {
    const output = gpu.tensor('modulation', [timesteps.length, modulator.bias.size])
    run(gpu, (program) => kernels.linear.record(program, { input: embedding, ...modulator, output, rows: timesteps.length }))
    return output
  })
  embedding.destroy()
  return tables
}

/** The embedding [timesteps, width of fc2] of integer timesteps (reference/lcm.md §3.2), through one more activation if asked. The caller destroys it. */
export function timestepEmbedding(
  gpu: Gpu,
  { linear }: Kernels,
  { fc1, fc2 }: Pick<ModulationWeights, 'fc1' | 'fc2'>,
  timesteps: readonly number[],
  activation?: 'silu',
): Tensor {
  const rows = timesteps.length
  const features = gpu.tensor('timestep features', [rows, timestepFeatureWidth], { data: timestepFeatures(timesteps) })
  const hidden = gpu.tensor('timestep hidden', [rows, fc1.bias.size])
  const output = gpu.tensor('timestep embedding', [rows, fc2.bias.size])
  run(gpu, (program) => {
    linear.record(program, { input: features, ...fc1, output: hidden, rows, activation: 'silu' })
    linear.record(program, { input: hidden, ...fc2, output, rows, activation })
  })
  features.destroy()
  hidden.destroy()
  return output
}

/** [timesteps, 256]: cos(t f_i) for 128 frequencies f_i = 10000^(−i/128), then sin(t f_i). */
export function timestepFeatures(timesteps: readonly number[]): Float32Array {
  const half = timestepFeatureWidth / 2
  return Float32Array.from({ length: timesteps.length * timestepFeatureWidth }, (_, index) => {
    const channel = index % timestepFeatureWidth
    const angle = timesteps[Math.floor(index / timestepFeatureWidth)]! * Math.exp((-Math.log(10_000) * (channel % half)) / half)
    return channel < half ? Math.cos(angle) : Math.sin(angle)
  })
}

function run(gpu: Gpu, record: (program: Program) => void): void {
  const program = gpu.program('timesteps')
  record(program)
  gpu.submit([program])
}
