import shader from '../../../shaders/refine-step.wgsl?raw'
import { InvalidInput } from '../../errors'
import type { Gpu, Kernel, Program, Tensor } from '../../gpu'
import { requireInteger, requireLength, requireMatrix, width } from '../check'
import type { WeightType } from '../matrix-kernel'

export interface RefineStepArguments {
  /** [1 or more, units]: `logits`, row 0 conditional and, with guidance, row 1 unconditional; or squared `distances`, of which the least is best. */
  values: Tensor
  scores: 'logits' | 'distances'
  /** g in y_u + g (y_c − y_u) of logits; 1 is no guidance and uses row 0 alone. Distances are guided where they are made. */
  guidanceScale: number
  /** Scores are divided by it: 0 chooses the best; else it is 1e-9 or more. */
  temperature: number
  /** How many of the best units may be chosen, 1 or more; more than there are: all. */
  topK: number
  /** [steps] numbers from 0 to 1, of which `cursor.step` picks one: needed when there is a choice. */
  draws?: Tensor
  /** [units, dim], f32 or f16 as loaded. */
  codebook: Tensor
  /** [1, dim]: the chosen centroid is added to it. */
  total: Tensor
  cursor: Tensor
}

/** One step of a Quant-LCM after its network: guidance, the choice of a unit, its centroid, and the cursor's next step (reference/lcm.md §7). */
export class RefineStep {
  readonly #kernel: Kernel
  readonly #weightType: WeightType

  constructor(kernel: Kernel, weightType: WeightType) {
    this.#kernel = kernel
    this.#weightType = weightType
  }

  /** @throws InvalidInput when shapes or options do not fit. */
  record(program: Program, call: RefineStepArguments): void {
    const { values, scores, guidanceScale, temperature, topK, draws, codebook, total, cursor } = call
    const [units = 0, dim] = [codebook.shape[0], width(total)]
    const guided = scores === 'logits' && guidanceScale !== 1
    const greedy = temperature === 0 || topK === 1
    requireLength('refineStep', 'total', total, dim)
    requireMatrix('refineStep', 'codebook', codebook, 1, dim, [this.#weightType])
    requireMatrix('refineStep', 'values', values, guided ? 2 : 1, units)
    requireLength('refineStep', 'cursor', cursor, 4, 'u32')
    requireInteger('refineStep', 'topK', topK, 1)
    if (!greedy && !(temperature >= 1e-9)) throw new InvalidInput(`refineStep: temperature must be 0 or from 1e-9, not ${temperature}.`)
    if (!greedy && !draws) throw new InvalidInput('refineStep: draws are needed to choose among units.')
    if (draws) requireLength('refineStep', 'draws', draws, width(draws))
    const params = new ArrayBuffer(32)
    new Uint32Array(params).set([units, dim, Math.min(topK, units), Number(scores === 'distances'), Number(guided), Number(greedy)])
    new Float32Array(params, 24).set([guidanceScale, temperature])
    program.dispatch(this.#kernel, { params: new Uint8Array(params), tensors: [values, codebook, total, draws ?? values, cursor] }, [1])
  }
}

/** @param lanes threads that share the units, a power of two; by default what suits the adapter. */
export async function loadRefineStep(gpu: Gpu, weightType: WeightType, lanes: number = gpu.info.software ? 16 : 256): Promise<RefineStep> {
  const kernel = await gpu.kernel(`refineStep ${weightType}`, shader, { HALF_WEIGHTS: Number(weightType === 'f16'), LANES: lanes })
  return new RefineStep(kernel, weightType)
}
