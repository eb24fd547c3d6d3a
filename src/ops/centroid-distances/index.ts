import shader from '../../../shaders/centroid-distances.wgsl?raw'
import type { Gpu, Kernel, Program, Tensor } from '../../gpu'
import { requireLength, requireMatrix, width } from '../check'
import type { WeightType } from '../matrix-kernel'

export interface CentroidDistancesArguments {
  /** The concept as the model sees it: row 0 conditional, row 1 unconditional; [1 or more, dim], [2 or more, dim] with guidance. */
  prediction: Tensor
  /** g in y_u + g (y_c − y_u); 1 is no guidance and uses row 0 alone. */
  guidanceScale: number
  /** [1, dim]: the sum of the centroids chosen so far. */
  total: Tensor
  /** [units, dim], f32 or f16 as loaded. */
  codebook: Tensor
  /** [1, units] */
  distances: Tensor
}

/** How the kernel divides its work: threads in a workgroup, and how many of them share one centroid. */
export interface CentroidLanes {
  lanes: number
  perCentroid: number
}

/** Squared distances of what a sum lacks of a concept to the centroids of the next codebook: the search of the nearest, which `refineStep` then takes. */
export class CentroidDistances {
  readonly #kernel: Kernel
  readonly #weightType: WeightType
  readonly #centroidsPerGroup: number

  constructor(kernel: Kernel, weightType: WeightType, centroidsPerGroup: number) {
    this.#kernel = kernel
    this.#weightType = weightType
    this.#centroidsPerGroup = centroidsPerGroup
  }

  /** @throws InvalidInput when shapes do not fit. */
  record(program: Program, { prediction, guidanceScale, total, codebook, distances }: CentroidDistancesArguments): void {
    const dim = width(total)
    const units = codebook.shape[0] ?? 0
    const guided = guidanceScale !== 1
    requireLength('centroidDistances', 'total', total, dim)
    requireMatrix('centroidDistances', 'prediction', prediction, guided ? 2 : 1, dim)
    requireMatrix('centroidDistances', 'codebook', codebook, 1, dim, [this.#weightType])
    requireLength('centroidDistances', 'distances', distances, units)
    const params = new ArrayBuffer(16)
    new Uint32Array(params).set([dim, units, Number(guided)])
    new Float32Array(params, 12).set([guidanceScale])
    const tensors = [prediction, total, codebook, distances]
    program.dispatch(this.#kernel, { params: new Uint8Array(params), tensors }, [Math.ceil(units / this.#centroidsPerGroup)])
  }
}

/** @param form by default what suits the adapter; `perCentroid` divides `lanes`. */
export async function loadCentroidDistances(
  gpu: Gpu,
  weightType: WeightType,
  form: CentroidLanes = gpu.info.software ? { lanes: 8, perCentroid: 1 } : { lanes: 64, perCentroid: 8 },
): Promise<CentroidDistances> {
  const { lanes, perCentroid } = form
  const constants = { HALF_WEIGHTS: Number(weightType === 'f16'), LANES: lanes, LANES_PER_CENTROID: perCentroid }
  const kernel = await gpu.kernel(`centroidDistances ${weightType}`, shader, constants)
  return new CentroidDistances(kernel, weightType, lanes / perCentroid)
}
