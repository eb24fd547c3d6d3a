import shader from '../../../shaders/ddim-step.wgsl?raw'
import { InvalidInput } from '../../errors'
import type { Gpu, Kernel, Program, Tensor } from '../../gpu'
import { requireCursor, requireInteger, requireMatrix, width } from '../check'

/** What the denoiser's output means: the clean sample, the noise, or the velocity (Salimans and Ho 2022). */
export type PredictionType = 'sample' | 'epsilon' | 'v_prediction'

export interface DdimStepArguments {
  /** Concepts denoised at once, each with an entry of the cursor. Default 1. */
  rows?: number
  /** Denoiser output: `rows` conditional rows, then, when `guided`, as many unconditional ones; [rows or 2 · rows or more, dim]. */
  prediction: Tensor
  /** [rows or more, dim]: the noisy samples, replaced by those of the next step. */
  latent: Tensor
  /** [steps, rows · dim]: row `cursor.step` becomes the clean samples x0 as this step estimates them. */
  estimate: Tensor
  /** [steps, 8], made by `packDdimCoefficients`; row `cursor.step` is used. */
  coefficients: Tensor
  /** [steps, rows · dim] standard normal numbers: needed when any sigma is not 0. */
  noise?: Tensor
  cursor: Tensor
  predictionType: PredictionType
  /** Whether the unconditional rows of the prediction are there and used, on the steps whose coefficients say `guided`. */
  guided: boolean
  /** g in e = e_u + g (e_c - e_u). Ignored unless guided. */
  guidanceScale: number
  /** r, 0 to 1: how far the guided noise is brought back to the standard deviation of the conditional one. Ignored unless guided. */
  guidanceRescale: number
  /** The noise estimate is divided by it in the direction term. Default 1. */
  epsilonScaling?: number
  /** The next latent is clamped to plus and minus this. */
  clipNoise: number
  /** The estimate is clamped to plus and minus this; not together with `dynamicThreshold`. Off by default. */
  clipSampleRange?: number
  /** The estimate is clamped to plus and minus s and divided by s, s = the `ratio` quantile of its magnitudes, clamped to [1, maximum]. Off by default. */
  dynamicThreshold?: { ratio: number; maximum: number }
}

/** One denoising step in the schedule's terms. */
export interface DdimCoefficients {
  /** Cumulative alpha at this timestep, 0 to 1. */
  alpha: number
  /** Cumulative alpha at the timestep this step leads to. */
  alphaPrevious: number
  /** Standard deviation of the noise added: eta * sqrt((1 - alphaPrevious) / (1 - alpha) * (1 - alpha / alphaPrevious)). */
  sigma: number
  /** False for the first timestep T - 1, which the reference never guides. */
  guided: boolean
}

const coefficientWidth = 8

/**
 * The coefficient table [steps, 8], row-major. Columns: sqrt(alpha), sqrt(1 - alpha), sqrt(alphaPrevious),
 * sqrt(1 - alphaPrevious - sigma^2), sigma, guided (1 or 0), and two unused. The roots are taken here, in f64.
 */
export function packDdimCoefficients(steps: readonly DdimCoefficients[]): Float32Array {
  return Float32Array.from(
    steps.flatMap(({ alpha, alphaPrevious, sigma, guided }) => [
      Math.sqrt(alpha),
      Math.sqrt(1 - alpha),
      Math.sqrt(alphaPrevious),
      Math.sqrt(Math.max(0, 1 - alphaPrevious - sigma * sigma)),
      sigma,
      Number(guided),
      0,
      0,
    ]),
  )
}

/** One step of the denoising loop after the denoiser: guidance, DDIM update (Song et al. 2021), and the cursor's next step (reference/lcm.md §4.3). */
export class DdimStep {
  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** @throws InvalidInput when shapes or options do not fit. */
  record(program: Program, call: DdimStepArguments): void {
    const { rows = 1, prediction, latent, estimate, coefficients, noise, cursor, guided, clipSampleRange, dynamicThreshold } = call
    const dim = width(latent)
    requireInteger('ddimStep', 'rows', rows, 1)
    requireMatrix('ddimStep', 'latent', latent, rows, dim)
    requireMatrix('ddimStep', 'estimate', estimate, coefficients.shape[0]!, rows * dim)
    requireMatrix('ddimStep', 'prediction', prediction, guided ? 2 * rows : rows, dim)
    requireMatrix('ddimStep', 'coefficients', coefficients, 1, coefficientWidth)
    if (noise) requireMatrix('ddimStep', 'noise', noise, coefficients.shape[0]!, rows * dim)
    requireCursor('ddimStep', cursor, rows)
    requireInteger('ddimStep', 'dim', dim, guided ? 2 : 1)
    if (clipSampleRange !== undefined && dynamicThreshold) {
      throw new InvalidInput('ddimStep: clipSampleRange and dynamicThreshold exclude each other.')
    }
    const tensors = [prediction, latent, estimate, coefficients, noise ?? coefficients, cursor]
    program.dispatch(this.#kernel, { params: packParams(call, rows, dim), tensors }, [rows])
  }
}

/** @param lanes threads that share the channels, a power of two; by default what suits the adapter. */
export async function loadDdimStep(gpu: Gpu, lanes: number = gpu.info.software ? 16 : 256): Promise<DdimStep> {
  return new DdimStep(await gpu.kernel('ddimStep', shader, { LANES: lanes }))
}

const predictionTypes: Record<PredictionType, number> = { sample: 0, epsilon: 1, v_prediction: 2 }

/** The `Params` struct of the shader: seven u32, then six f32. */
function packParams(call: DdimStepArguments, rows: number, dim: number): Uint8Array {
  const { noise, predictionType, guided, guidanceScale, guidanceRescale, epsilonScaling = 1, clipNoise } = call
  const { clipSampleRange, dynamicThreshold } = call
  // torch.quantile: the quantile lies between two ranks, `fraction` of the way from the lower to the upper.
  const rank = (dynamicThreshold?.ratio ?? 0) * (dim - 1)
  const lowerRank = Math.floor(rank)
  const maximum = dynamicThreshold?.maximum ?? clipSampleRange ?? 0
  const limiting = dynamicThreshold ? 2 : clipSampleRange === undefined ? 0 : 1
  const params = new ArrayBuffer(52)
  new Uint32Array(params).set([
    dim,
    predictionTypes[predictionType],
    Number(guided),
    Number(noise !== undefined),
    limiting,
    lowerRank,
    rows,
  ])
  new Float32Array(params, 28).set([rank - lowerRank, maximum, guidanceScale, guidanceRescale, epsilonScaling, clipNoise])
  return new Uint8Array(params)
}
