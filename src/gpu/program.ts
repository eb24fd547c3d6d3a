import { KernelError } from '../errors'
import type { Kernel } from './kernel'
import type { Tensor } from './tensor'

/** Number of workgroups along x, y and z; y and z default to 1. */
export type Workgroups = [x: number, y?: number, z?: number]

/**
 * A recorded list of dispatches, each with its bind group already built, so that submitting the program again makes nothing new.
 * What varies between replays lives in tensors (a cursor, a table), never in `params`.
 */
export class Program {
  readonly label: string
  readonly #device: GPUDevice
  readonly #uniform: (contents: ArrayBufferView) => GPUBuffer
  readonly #dispatches: { pipeline: GPUComputePipeline; group: GPUBindGroup; workgroups: Workgroups }[] = []

  constructor(label: string, device: GPUDevice, uniform: (contents: ArrayBufferView) => GPUBuffer) {
    this.label = label
    this.#device = device
    this.#uniform = uniform
  }

  /** Number of dispatches recorded. */
  get length(): number {
    return this.#dispatches.length
  }

  /**
   * Records one dispatch: `params` is bound as the uniform at binding 0, `tensors` as storage at bindings 1, 2, … in order.
   * A dispatch sees everything that earlier ones wrote.
   *
   * @throws KernelError when a tensor is larger than a binding may be or there are more workgroups than a dispatch may have.
   */
  dispatch(kernel: Kernel, { params, tensors }: { params?: ArrayBufferView; tensors: readonly Tensor[] }, workgroups: Workgroups): void {
    this.#check(kernel, tensors, workgroups)
    const entries: GPUBindGroupEntry[] = tensors.map(({ buffer }, index) => ({ binding: index + 1, resource: { buffer } }))
    if (params) entries.push({ binding: 0, resource: { buffer: this.#uniform(params) } })
    const group = this.#device.createBindGroup({ label: kernel.label, layout: kernel.layout, entries })
    this.#dispatches.push({ pipeline: kernel.pipeline, group, workgroups })
  }

  /** Encodes every dispatch into an open compute pass. */
  encode(pass: GPUComputePassEncoder): void {
    let current: GPUComputePipeline | undefined
    for (const { pipeline, group, workgroups } of this.#dispatches) {
      if (pipeline !== current) pass.setPipeline(pipeline)
      current = pipeline
      pass.setBindGroup(0, group)
      pass.dispatchWorkgroups(...workgroups)
    }
  }

  #check(kernel: Kernel, tensors: readonly Tensor[], workgroups: Workgroups): void {
    const { maxStorageBufferBindingSize, maxComputeWorkgroupsPerDimension } = this.#device.limits
    const tooLarge = tensors.find(({ buffer }) => buffer.size > maxStorageBufferBindingSize)
    if (tooLarge) {
      throw new KernelError(
        `Tensor ${tooLarge.label} has ${tooLarge.buffer.size} bytes, but kernel ${kernel.label} can bind at most ${maxStorageBufferBindingSize}.`,
        { label: kernel.label, bytes: tooLarge.buffer.size, limit: maxStorageBufferBindingSize },
      )
    }
    if (workgroups.some((count = 1) => !Number.isSafeInteger(count) || count < 1 || count > maxComputeWorkgroupsPerDimension)) {
      throw new KernelError(
        `Kernel ${kernel.label} was dispatched over ${workgroups.join(' × ')} workgroups; each count must be 1 to ${maxComputeWorkgroupsPerDimension}.`,
        { label: kernel.label, limit: maxComputeWorkgroupsPerDimension },
      )
    }
  }
}
