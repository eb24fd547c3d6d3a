import type { Gpu } from '../gpu'

/**
 * How a kernel divides its work. `workgroup`: the threads of a workgroup share one sum, with coalesced loads and a reduction, as GPUs like it.
 * `thread`: each thread computes a block of results in registers, without barriers or shared memory, as SwiftShader and its like want it.
 */
export type Form = 'workgroup' | 'thread'

/** The form that suits the adapter. */
export function preferredForm(gpu: Gpu): Form {
  return gpu.info.software ? 'thread' : 'workgroup'
}
