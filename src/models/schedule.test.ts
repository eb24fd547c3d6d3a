import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvalidInput } from '../errors'
import { inferenceTimesteps, noiseSchedule, type SchedulerConfig, schedulerDefaults } from './schedule'

interface Golden {
  schedules: Record<string, { config: Partial<SchedulerConfig>; betas: number[]; alphas_cumprod: number[] }>
  timesteps: Record<string, number[]>
}

const golden: Golden = JSON.parse(readFileSync('../shared/conformance/schedules.json', 'utf8'))

test.each(Object.entries(golden.schedules))('schedule %s is the reference’s', (_, { config, betas, alphas_cumprod }) => {
  const schedule = noiseSchedule({ ...schedulerDefaults, ...config })
  expect(schedule.betas.length).toBe(betas.length)
  expect(worst(schedule.betas, betas)).toBeLessThan(1e-6)
  expect(worst(schedule.alphasCumprod, alphas_cumprod)).toBeLessThan(4e-7)
})

test('schedules without transcendental functions match to the last bit', () => {
  for (const name of ['cosine_no_zsnr', 'quadratic1', 'quadratic2', 'linear']) {
    const { config, betas, alphas_cumprod } = golden.schedules[name]!
    const schedule = noiseSchedule({ ...schedulerDefaults, ...config })
    expect(schedule.betas).toEqual(Float32Array.from(betas))
    expect(schedule.alphasCumprod).toEqual(Float32Array.from(alphas_cumprod))
  }
})

test.each(Object.entries(golden.timesteps))('timesteps %s are the reference’s', (key, expected) => {
  const [, trainSteps = '100', spacing, steps] = /^(?:T(\d+)_)?([a-z]+)_(\d+)$/.exec(key)!
  const config = { ...schedulerDefaults, num_diffusion_train_steps: Number(trainSteps), timestep_spacing: spacing } as SchedulerConfig
  const visits = inferenceTimesteps(config, Number(steps), 'reference')
  expect(visits.map(({ timestep }) => timestep)).toEqual(expected)
  for (const { timestep, previous } of visits) expect(previous).toBe(timestep - Math.floor(Number(trainSteps) / Number(steps)))
})

test('the paper’s forty steps are forty, rounded half to even, each leading to the next', () => {
  const visits = inferenceTimesteps(schedulerDefaults, 40, 'paper')
  expect(visits).toHaveLength(40)
  expect(visits.slice(0, 4)).toEqual([
    { timestep: 99, previous: 97 },
    { timestep: 97, previous: 94 },
    { timestep: 94, previous: 91 },
    { timestep: 91, previous: 89 },
  ])
  expect(visits.at(-1)).toEqual({ timestep: 1, previous: -1 })
})

test('every mode visits falling timesteps within the schedule', () => {
  const choice = fc.constantFrom<['reference' | 'paper', SchedulerConfig['timestep_spacing']]>(
    ['paper', 'trailing'],
    ['reference', 'trailing'],
    ['reference', 'leading'],
    ['reference', 'linspace'],
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(), choice, (trainSteps, any, [mode, spacing]) => {
      const steps = 1 + (any % trainSteps)
      const config = { ...schedulerDefaults, num_diffusion_train_steps: trainSteps, timestep_spacing: spacing }
      const visited = inferenceTimesteps(config, steps, mode).map(({ timestep }) => timestep)
      expect(visited.length).toBeGreaterThanOrEqual(steps)
      visited.forEach((timestep, i) => {
        expect(timestep).toBeGreaterThanOrEqual(0)
        expect(timestep).toBeLessThan(visited[i - 1] ?? trainSteps)
      })
    }),
  )
})

test('ᾱ falls from nearly one to zero in every rescaled schedule', () => {
  const schedules = fc.constantFrom<SchedulerConfig['beta_schedule']>('squaredcos_cap_v2', 'sigmoid', 'scaled_linear', 'linear')
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 200 }), schedules, (trainSteps, beta_schedule) => {
      const { alphasCumprod } = noiseSchedule({ ...schedulerDefaults, num_diffusion_train_steps: trainSteps, beta_schedule })
      expect(alphasCumprod.at(-1)).toBe(0)
      alphasCumprod.forEach((alpha, i) => {
        expect(alpha).toBeLessThanOrEqual(alphasCumprod[i - 1] ?? 1)
      })
    }),
  )
})

test('what cannot be scheduled is refused', () => {
  expect(() => inferenceTimesteps(schedulerDefaults, 101, 'reference')).toThrow(InvalidInput)
  expect(() => inferenceTimesteps(schedulerDefaults, 0, 'paper')).toThrow(InvalidInput)
  expect(() => inferenceTimesteps(schedulerDefaults, 2.5, 'reference')).toThrow(InvalidInput)
  expect(() => inferenceTimesteps({ ...schedulerDefaults, timestep_spacing: 'leading' }, 10, 'paper')).toThrow(InvalidInput)
  expect(() => inferenceTimesteps({ ...schedulerDefaults, num_diffusion_train_steps: 1e12 }, 1e12, 'reference')).toThrow(InvalidInput)
  expect(() => noiseSchedule({ ...schedulerDefaults, num_diffusion_train_steps: 0 })).toThrow(InvalidInput)
  expect(() => noiseSchedule({ ...schedulerDefaults, num_diffusion_train_steps: 1 })).toThrow(InvalidInput)
  expect(() => noiseSchedule({ ...schedulerDefaults, beta_schedule: 'linear', beta_end: Number.NaN })).toThrow(InvalidInput)
  expect(() => noiseSchedule({ ...schedulerDefaults, beta_schedule: 'other' as 'linear' })).toThrow('no noise schedule called "other"')
})

function worst(got: Float32Array, expected: number[]): number {
  return expected.reduce((largest, value, i) => Math.max(largest, Math.abs(got[i]! - value)), 0)
}
