import { expect, test, vi } from 'vitest'
import { KernelError } from '../errors'
import type { Gpu } from '../gpu'
import type { DdimStep } from '../ops'
import { Sampler } from './sampler'
import { noiseSchedule, schedulerDefaults } from './schedule'

/** A tensor of no GPU. */
const tensor = (shape: number[]) => ({ shape, destroy: vi.fn() })

test('tables that could not be made are made at the next call, and none is used that was freed', async () => {
  const gpu = {
    tensor: (_: string, shape: number[]) => tensor(shape),
    write: () => undefined,
    program: () => ({}),
    submit: () => undefined,
    finished: async () => undefined,
    read: async () => new Float32Array(1),
  } as unknown as Gpu
  const made: ReturnType<typeof tensor>[] = []
  const tables = vi.fn((timesteps: readonly number[]) => {
    const table = tensor([timesteps.length, 1])
    made.push(table)
    return [table as never]
  })
  const used: unknown[] = []
  const sampler = new Sampler(gpu, {
    denoiser: {
      latent: tensor([1, 1]) as never,
      prediction: tensor([2, 1]) as never,
      recordStep: (_program, _rows, [table]) => void used.push(table),
    },
    ddimStep: { record: () => undefined } as unknown as DdimStep,
    cursor: tensor([4]) as never,
    memory: { room: 64, documents: [{ length: 1, base: 0 }], takePending: () => [] },
    tables,
    scheduler: schedulerDefaults,
    schedule: noiseSchedule(schedulerDefaults),
  })
  const sample = (steps: number) => sampler.sample({ noise: [(count) => new Float32Array(count)], sampling: { steps } })
  await sample(4)
  tables.mockImplementationOnce(() => {
    throw new KernelError('Tensor steps is too large.')
  })
  await expect(sample(8)).rejects.toThrow(KernelError)
  expect(made[0]!.destroy).toHaveBeenCalled()
  await sample(4)
  expect(tables).toHaveBeenCalledTimes(3)
  expect(used.at(-1)).toBe(made[1])
})
