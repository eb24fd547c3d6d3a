import { InvalidInput } from '../errors'

/** The noise scheduler of a diffusion concept model, under the reference's own names. */
export interface SchedulerConfig {
  /** T: how many noise levels the model was trained with. Default 100. */
  num_diffusion_train_steps: number
  /** Default `squaredcos_cap_v2`. */
  beta_schedule: 'squaredcos_cap_v2' | 'sigmoid' | 'scaled_linear' | 'linear'
  /** First and last beta of `linear` and `scaled_linear`. Default 0.0001 and 0.02. */
  beta_start: number
  beta_end: number
  /** Power in which `scaled_linear` is linear. Default 2 (a quadratic schedule). */
  scaled_linear_exponent: number
  /** Scale and centre of `sigmoid` (γ and δ in the paper). Default 1.5 and 0. */
  sigmoid_schedule_alpha: number
  sigmoid_schedule_beta: number
  /** Rescale so that the last level is pure noise. Default true. */
  rescale_betas_zero_snr: boolean
  /** Default `trailing`. */
  timestep_spacing: 'trailing' | 'leading' | 'linspace'
  /** Whether a step past the last level leads to no noise at all (ᾱ = 1) or to the least noisy level. Default true. */
  set_alpha_to_one: boolean
  /** What the denoiser's output means. Default `sample` (the clean concept). */
  prediction_type: 'sample' | 'epsilon' | 'v_prediction'
}

export const schedulerDefaults: Readonly<SchedulerConfig> = {
  num_diffusion_train_steps: 100,
  beta_schedule: 'squaredcos_cap_v2',
  beta_start: 0.0001,
  beta_end: 0.02,
  scaled_linear_exponent: 2,
  sigmoid_schedule_alpha: 1.5,
  sigmoid_schedule_beta: 0,
  rescale_betas_zero_snr: true,
  timestep_spacing: 'trailing',
  set_alpha_to_one: true,
  prediction_type: 'sample',
}

/** β and ᾱ (the share of signal left) at each noise level, both [T], in f32 as the reference computes them. */
export interface NoiseSchedule {
  betas: Float32Array
  alphasCumprod: Float32Array
}

/** One denoising step: the noise level it starts from and the one it leads to, negative when that is past the last. */
export interface TimestepVisit {
  timestep: number
  previous: number
}

/** Longest schedule accepted; the reference trains with 100 or 1000 levels. */
const maximumTrainSteps = 100_000

/**
 * The noise schedule of a scheduler (reference/lcm.md §4.1). Every value is rounded to f32 where torch would round it: quadratic schedules are
 * so ill-conditioned after the zero-SNR rescale that f64 would move the result.
 * @throws InvalidInput for a schedule that is unknown or out of range.
 */
export function noiseSchedule(config: SchedulerConfig): NoiseSchedule {
  requireTrainSteps(config)
  let betas = trainingBetas(config)
  if (config.rescale_betas_zero_snr) betas = rescaleToZeroTerminalSnr(betas)
  const alphasCumprod = cumulativeAlphas(betas)
  if (![...betas, ...alphasCumprod].every(Number.isFinite)) {
    throw new InvalidInput(`The ${config.beta_schedule} schedule has no finite values with these settings.`)
  }
  return { betas, alphasCumprod }
}

/**
 * The noise levels visited by `steps` denoising steps, noisiest first (reference/lcm.md §4.2).
 * `reference` does what the released code does: its stride is ⌊T/S⌋, so that S = 40 of T = 100 visits 50 levels, and the next level is t − ⌊T/S⌋
 * even where that level is not visited. `paper` visits exactly S levels, round(T − i·T/S) − 1, each leading to the next one visited.
 * @throws InvalidInput when S is not a whole number from 1 to T.
 */
export function inferenceTimesteps(config: SchedulerConfig, steps: number, mode: 'reference' | 'paper'): TimestepVisit[] {
  const trainSteps = requireTrainSteps(config)
  if (!Number.isInteger(steps) || steps < 1 || steps > trainSteps) {
    throw new InvalidInput(`The number of denoising steps must be a whole number from 1 to ${trainSteps}, not ${steps}.`)
  }
  if (mode === 'paper') {
    if (config.timestep_spacing !== 'trailing') {
      throw new InvalidInput(`The paper's timesteps are trailing; this model's scheduler asks for ${config.timestep_spacing}.`)
    }
    const visited = Array.from({ length: steps }, (_, i) => roundHalfToEven(trainSteps - (i * trainSteps) / steps) - 1)
    return visited.map((timestep, i) => ({ timestep, previous: visited[i + 1] ?? -1 }))
  }
  const stride = Math.floor(trainSteps / steps)
  return referenceTimesteps(config.timestep_spacing, trainSteps, steps, stride).map((timestep) => ({
    timestep,
    previous: timestep - stride,
  }))
}

function requireTrainSteps({ num_diffusion_train_steps: trainSteps }: SchedulerConfig): number {
  if (Number.isInteger(trainSteps) && trainSteps >= 1 && trainSteps <= maximumTrainSteps) return trainSteps
  throw new InvalidInput(`num_diffusion_train_steps must be a whole number from 1 to ${maximumTrainSteps}, not ${trainSteps}.`)
}

const round = Math.fround

function trainingBetas(config: SchedulerConfig): Float32Array {
  const { num_diffusion_train_steps: trainSteps, beta_start, beta_end, scaled_linear_exponent: exponent } = config
  switch (config.beta_schedule) {
    case 'squaredcos_cap_v2':
      return betasOf(trainSteps, (u) => Math.cos((((u + 0.008) / 1.008) * Math.PI) / 2) ** 2)
    case 'sigmoid': {
      const [alpha, beta] = [round(config.sigmoid_schedule_alpha), round(config.sigmoid_schedule_beta)]
      return betasOf(trainSteps, (u) => {
        const clamped = round(Math.min(Math.max(u, 1e-32), 1))
        const logit = round(Math.log(round(clamped / round(1 - clamped))))
        return round(1 / (1 + round(Math.exp(round(round(alpha * logit) - beta)))))
      }).map((beta) => round(beta))
    }
    case 'scaled_linear':
      return linspace(beta_start ** (1 / exponent), beta_end ** (1 / exponent), trainSteps).map((root) => root ** exponent)
    case 'linear':
      return linspace(beta_start, beta_end, trainSteps)
    default:
      throw new InvalidInput(`There is no noise schedule called "${config.beta_schedule}".`)
  }
}

/** β_i = min(1 − ᾱ((i+1)/T) / ᾱ(i/T), 0.999) */
function betasOf(trainSteps: number, alphaBar: (u: number) => number): Float32Array {
  return Float32Array.from({ length: trainSteps }, (_, i) => Math.min(1 - alphaBar((i + 1) / trainSteps) / alphaBar(i / trainSteps), 0.999))
}

/** s = √ᾱ is shifted and scaled so that s_T becomes 0 and s_0 stays; then back to betas. */
function rescaleToZeroTerminalSnr(betas: Float32Array): Float32Array {
  const roots = cumulativeAlphas(betas).map((alpha) => Math.sqrt(alpha))
  const first = roots[0]!
  const last = roots.at(-1)!
  const factor = round(first / round(first - last))
  const alphasCumprod = roots.map((root) => round(round(root - last) * factor) ** 2)
  return alphasCumprod.map((alpha, i) => 1 - round(i === 0 ? alpha : alpha / alphasCumprod[i - 1]!))
}

/** ∏ (1 − β). torch accumulates cumprod in f64 on the CPU and rounds each entry. */
function cumulativeAlphas(betas: Float32Array): Float32Array {
  let product = 1
  return betas.map((beta) => {
    product *= round(1 - beta)
    return product
  })
}

function referenceTimesteps(spacing: SchedulerConfig['timestep_spacing'], trainSteps: number, steps: number, stride: number): number[] {
  const strided = Array.from({ length: Math.ceil(trainSteps / stride) }, (_, i) => i * stride)
  switch (spacing) {
    case 'trailing':
      return strided.map((offset) => trainSteps - 1 - offset)
    case 'leading':
      return strided.reverse()
    case 'linspace':
      return Array.from(linspace(0, trainSteps - 1, steps), Math.trunc).reverse()
    default:
      throw new InvalidInput(`There is no timestep spacing called "${spacing}".`)
  }
}

/** As torch: f32, and the upper half is counted down from the end. */
function linspace(start: number, end: number, count: number): Float32Array {
  const [from, to] = [round(start), round(end)]
  const step = count > 1 ? round(round(to - from) / (count - 1)) : 0
  return Float32Array.from({ length: count }, (_, i) => (i < count / 2 ? from + round(step * i) : to - round(step * (count - 1 - i))))
}

function roundHalfToEven(value: number): number {
  const rounded = Math.round(value)
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded
}
