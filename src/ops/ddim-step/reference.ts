import type { DdimCoefficients, DdimStepArguments } from '.'

export interface DdimTerms
  extends DdimCoefficients,
    Pick<
      DdimStepArguments,
      'predictionType' | 'guidanceScale' | 'guidanceRescale' | 'epsilonScaling' | 'clipNoise' | 'clipSampleRange' | 'dynamicThreshold'
    > {
  /** [dim] */
  latent: ArrayLike<number>
  /** [dim] */
  conditional: ArrayLike<number>
  /** [dim], needed when `guided`. */
  unconditional?: ArrayLike<number>
  /** [dim], needed when sigma is not 0. */
  noise?: ArrayLike<number>
}

/** One step as reference/lcm.md §4.3 orders it, in f64: the estimate x0 and the next latent, both [dim]. */
export function ddimStepReference(terms: DdimTerms): { estimate: Float64Array; latent: Float64Array } {
  const { alpha, alphaPrevious, sigma, predictionType, epsilonScaling = 1, clipNoise, clipSampleRange, dynamicThreshold, noise } = terms
  const x = Float64Array.from(terms.latent)
  let [sample, epsilon] = convert(predictionType, Float64Array.from(terms.conditional), x, alpha)
  if (terms.guided) {
    const [, unconditional] = convert(predictionType, Float64Array.from(terms.unconditional!), x, alpha)
    const guided = epsilon.map((e, i) => unconditional[i]! + terms.guidanceScale * (e - unconditional[i]!))
    const ratio = standardDeviation(epsilon) / standardDeviation(guided)
    const factor = terms.guidanceRescale * ratio + 1 - terms.guidanceRescale
    ;[sample, epsilon] = convert(
      'epsilon',
      guided.map((e) => e * factor),
      x,
      alpha,
    )
  }
  epsilon = epsilon.map((e) => e / epsilonScaling)
  if (dynamicThreshold) {
    const bound = Math.min(Math.max(quantile(sample.map(Math.abs), dynamicThreshold.ratio), 1), dynamicThreshold.maximum)
    sample = sample.map((value) => clamp(value, bound) / bound)
  } else if (clipSampleRange !== undefined) {
    sample = sample.map((value) => clamp(value, clipSampleRange))
  }
  const direction = Math.sqrt(Math.max(0, 1 - alphaPrevious - sigma ** 2))
  const latent = sample.map((value, i) => {
    const next = Math.sqrt(alphaPrevious) * value + direction * epsilon[i]! + (sigma === 0 ? 0 : sigma * noise![i]!)
    return clamp(next, clipNoise)
  })
  return { estimate: sample, latent }
}

/** The clean sample and the noise that a prediction y stands for, given x = sqrt(alpha) sample + sqrt(1 - alpha) noise. */
function convert(type: DdimTerms['predictionType'], y: Float64Array, x: Float64Array, alpha: number): [Float64Array, Float64Array] {
  const signal = Math.sqrt(alpha)
  const spread = Math.sqrt(1 - alpha)
  if (type === 'sample') return [y, x.map((value, i) => (value - signal * y[i]!) / spread)]
  if (type === 'epsilon') return [x.map((value, i) => (value - spread * y[i]!) / signal), y]
  return [x.map((value, i) => signal * value - spread * y[i]!), x.map((value, i) => signal * y[i]! + spread * value)]
}

/** Unbiased (n - 1). */
function standardDeviation(values: Float64Array): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1))
}

/** Linear interpolation between order statistics, as torch.quantile. */
function quantile(values: Float64Array, ratio: number): number {
  const sorted = values.toSorted()
  const rank = ratio * (sorted.length - 1)
  const lower = sorted[Math.floor(rank)]!
  return lower + (rank - Math.floor(rank)) * (sorted[Math.ceil(rank)]! - lower)
}

function clamp(value: number, bound: number): number {
  return Math.min(Math.max(value, -bound), bound)
}
