import { inferenceTimesteps, noiseSchedule, type SchedulerConfig, schedulerDefaults } from '../models/schedule'
import { type CaseField, NotCovered } from './conformance-field'
import { type CaseReport, compare, exact, type Output } from './conformance-report'

/** Longest schedule of a case. */
const maximumTrainSteps = 100_000

/** The scheduler of a case: what it gives over the defaults. `more` names further keys that the caller reads itself. */
export function readScheduler(
  field: CaseField,
  defaults: SchedulerConfig = schedulerDefaults,
  more: readonly string[] = [],
): SchedulerConfig {
  const scheduler = field.only([...Object.keys(schedulerDefaults), ...more])
  const number = (key: 'beta_start' | 'beta_end' | 'scaled_linear_exponent' | 'sigmoid_schedule_alpha' | 'sigmoid_schedule_beta') =>
    scheduler.at(key).number(-1e6, 1e6, defaults[key])
  return {
    num_diffusion_train_steps: scheduler.at('num_diffusion_train_steps').integer(1, maximumTrainSteps, defaults.num_diffusion_train_steps),
    beta_schedule: scheduler.at('beta_schedule').oneOf(['squaredcos_cap_v2', 'sigmoid', 'scaled_linear', 'linear'], defaults.beta_schedule),
    beta_start: number('beta_start'),
    beta_end: number('beta_end'),
    scaled_linear_exponent: number('scaled_linear_exponent'),
    sigmoid_schedule_alpha: number('sigmoid_schedule_alpha'),
    sigmoid_schedule_beta: number('sigmoid_schedule_beta'),
    rescale_betas_zero_snr: scheduler.at('rescale_betas_zero_snr').boolean(defaults.rescale_betas_zero_snr),
    timestep_spacing: scheduler.at('timestep_spacing').oneOf(['trailing', 'leading', 'linspace'], defaults.timestep_spacing),
    set_alpha_to_one: scheduler.at('set_alpha_to_one').boolean(defaults.set_alpha_to_one),
    prediction_type: scheduler.at('prediction_type').oneOf(['sample', 'epsilon', 'v_prediction'], defaults.prediction_type),
  }
}

/** A schedule of `schedules.json`: betas and cumulative alphas. */
export function runSchedule(name: string, schedule: CaseField, file: CaseField): CaseReport {
  schedule.only(['config', 'betas', 'alphas_cumprod'])
  const defaults = file.at('meta').given ? readScheduler(file.at('meta').at('defaults')) : schedulerDefaults
  const { betas, alphasCumprod } = noiseSchedule(readScheduler(schedule.at('config'), defaults))
  const outputs: Output[] = []
  // The README: after the zero-SNR rescale the last digits of betas are noise.
  if (schedule.at('betas').given) {
    outputs.push({ name: 'betas', got: betas, expected: schedule.at('betas').numbers(), tolerance: { absolute: 5e-5 } })
  }
  if (schedule.at('alphas_cumprod').given) {
    const expected = schedule.at('alphas_cumprod').numbers()
    outputs.push({ name: 'alphas_cumprod', got: alphasCumprod, expected, tolerance: { absolute: 1e-5 } })
  }
  return compare(name, 'schedule', outputs)
}

/** A list of timesteps, `<spacing>_<steps>` for T = 100 or `T<T>_<spacing>_<steps>`. */
export function runTimesteps(key: string, timesteps: CaseField): CaseReport {
  const parts = /^(?:T(\d+)_)?([a-z]+)_(\d+)$/.exec(key)
  if (!parts) throw new NotCovered(`The timesteps ${key} are named in no known way.`)
  const [, trainSteps = '100', spacing, steps] = parts
  const config = {
    ...schedulerDefaults,
    num_diffusion_train_steps: Number(trainSteps),
    timestep_spacing: spacing as SchedulerConfig['timestep_spacing'],
  }
  const got = inferenceTimesteps(config, Number(steps), 'reference').map(({ timestep }) => timestep)
  return compare(key, 'timesteps', [{ name: 'timesteps', got, expected: timesteps.numbers(), tolerance: exact }])
}
