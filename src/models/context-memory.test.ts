import { expect, test, vi } from 'vitest'
import { KernelError } from '../errors'
import type { Gpu, Tensor } from '../gpu'
import { ContextMemory, initialRows } from './context-memory'

test('a memory that could not grow has the room it had, and grows at the next call', async () => {
  const submitted: object[][] = []
  const gpu = {
    write: () => undefined,
    program: () => ({}),
    submit: (programs: object[]) => submitted.push(programs),
    finished: async () => undefined,
  } as unknown as Gpu
  const grow = vi.fn()
  const memory = new ContextMemory(
    gpu,
    { input: {} as Tensor, cursor: {} as Tensor, record: () => undefined, grow },
    { capacity: 4 * initialRows, dim: 1 },
  )
  await memory.append(new Float32Array(initialRows))
  const before = memory.takePending()
  grow.mockImplementationOnce(() => {
    throw new KernelError('Tensor keys is too large.')
  })
  await expect(memory.append(new Float32Array(1))).rejects.toThrow(KernelError)
  expect([memory.length, memory.room]).toEqual([initialRows, initialRows])
  await memory.append(new Float32Array(1))
  expect([memory.length, memory.room]).toEqual([initialRows + 1, 2 * initialRows])
  expect(grow.mock.calls).toEqual([[2 * initialRows], [2 * initialRows]])
  // Programs that bound the smaller caches are recorded again.
  expect(memory.takePending()[0]).not.toBe(before[0])
})
