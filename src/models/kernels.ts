import type { Gpu, Program } from '../gpu'
import {
  type Attention,
  type LinearArguments,
  loadAttention,
  loadLinear,
  loadRmsNorm,
  loadRope,
  loadSwiGlu,
  matrixType,
  type RmsNorm,
  type Rope,
  ropeTable,
  type SwiGluArguments,
} from '../ops'
import type { ModelWeights } from './weights'

/** The operations a transformer is made of; `linear` and `swiGlu` take weights of any type the model has. */
export interface Kernels {
  linear: { record(program: Program, call: LinearArguments): void }
  swiGlu: { record(program: Program, call: SwiGluArguments): void }
  rmsNorm: RmsNorm
  rope: Rope
  attention: Attention
}

/**
 * @param weights those that are computed with; what the kernels hold on the GPU is freed with them
 * @param sizes.positions how many absolute positions there may be
 */
export async function loadKernels(gpu: Gpu, weights: ModelWeights, sizes: { headDim: number; positions: number }): Promise<Kernels> {
  const { matrixTypes } = weights
  const [linears, swiGlus, rmsNorm, rope, attention] = await Promise.all([
    loadByType(matrixTypes, (type) => loadLinear(gpu, type)),
    loadByType(matrixTypes, (type) => loadSwiGlu(gpu, type)),
    loadRmsNorm(gpu),
    loadRope(gpu, weights.keep(ropeTable(gpu, sizes))),
    loadAttention(gpu, sizes.headDim),
  ])
  return {
    linear: { record: (program, call) => linears.get(matrixType(call.weight))!.record(program, call) },
    swiGlu: { record: (program, call) => swiGlus.get(matrixType(call.gateWeight))!.record(program, call) },
    rmsNorm,
    rope,
    attention,
  }
}

/** An operation for each type of weights that a model has, by type. */
export async function loadByType<Op>(
  weightTypes: ReadonlySet<'f32' | 'f16'>,
  load: (type: 'f32' | 'f16') => Promise<Op>,
): Promise<Map<string, Op>> {
  return new Map(await Promise.all([...weightTypes].map(async (type) => [type, await load(type)] as const)))
}
