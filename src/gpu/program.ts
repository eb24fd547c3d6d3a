import { KernelError } from '../errors'
import type { Kernel } from './kernel'
import type { Tensor } from './tensor'

/** Number of workgroups along x, y and z; y and z default to 1. */
export type Workgroups = [x: number, y?: number, z?: number]

/** What one dispatch works on. */
export interface Bindings {
  /** Bound as the uniform at binding 0; the same for every replay. */
  params?: ArrayBufferView
  /** Bound as storage at bindings 1, 2, … in order. */
  tensors: readonly Tensor[]
}

/**
 * A recorded list of dispatches, each with its bind group already built, so that submitting the program again makes nothing new.
 * What varies between replays lives in tensors (a cursor, a table), never in `params`.
 */
export class Program {
  readonly label: string
  readonly #limits: GPUSupportedLimits
  readonly #bind: (kernel: Kernel, bindings: Bindings) => GPUBindGroup
  readonly #dispatches: { pipeline: GPUComputePipeline; group: GPUBindGroup; workgroups: Workgroups }[] = []

  /** @param bind makes a bind group. */
  constructor(label: string, limits: GPUSupportedLimits, bind: (kernel: Kernel, bindings: Bindings) => GPUBindGroup) {
    this.label = label
    this.#limits = limits
    this.#bind = bind
  }

  /** Number of dispatches recorded. */
  get length(): number {
    return this.#dispatches.length
  }

  /**
   * Records one dispatch. It sees everything that earlier ones wrote.
   *
   * @throws KernelError when a tensor is larger than a binding may be or there are more workgroups than a dispatch may have.
   */
  dispatch(kernel: Kernel, bindings: Bindings, workgroups: Workgroups): void {
    this.#check(kernel, bindings.tensors, workgroups)
    this.#dispatches.push({ pipeline: kernel.pipeline, group: this.#bind(kernel, bindings), workgroups })
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
    const { maxStorageBufferBindingSize, maxComputeWorkgroupsPerDimension } = this.#limits
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
