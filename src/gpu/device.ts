import { DeviceLost, InvalidInput, KernelError, NoemaError, WebGpuUnavailable } from '../errors'
import { type Kernel, KernelCache, type KernelConstants } from './kernel'
import { type Bindings, Program } from './program'
import { type BufferRange, StagingBuffers } from './staging'
import { byteLength, byteRange, createTensor, type Tensor, type TensorOptions, type TensorRange, writeTensor } from './tensor'

/** What the adapter says of itself. */
export interface GpuInfo {
  vendor: string
  architecture: string
  device: string
  description: string
  /** True for adapters that run shaders on the CPU (SwiftShader, llvmpipe, WARP): they want other kernels than a GPU does. */
  software: boolean
  /** Optional features enabled on the device. */
  features: string[]
  limits: Record<string, number>
}

const optionalFeatures: GPUFeatureName[] = ['shader-f16', 'subgroups', 'timestamp-query']

/**
 * Opens the most powerful WebGPU device of this browser, on the main thread or in a worker.
 *
 * @param options.largeBuffers raises the buffer and binding size limits from WebGPU's defaults (256 and 128 MiB) to what the adapter offers.
 * @throws WebGpuUnavailable with the reason.
 */
export async function requestGpu({ largeBuffers = false }: { largeBuffers?: boolean } = {}): Promise<Gpu> {
  const api: GPU | undefined = globalThis.navigator?.gpu
  if (!api) throw new WebGpuUnavailable('This browser has no WebGPU: use a current Chrome, Edge, Firefox or Safari over https.')
  const adapter = await api.requestAdapter({ powerPreference: 'high-performance' })
  if (!adapter) throw new WebGpuUnavailable('The browser offers no WebGPU adapter: turn on hardware acceleration or update the GPU driver.')
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits
  try {
    const device = await adapter.requestDevice({
      requiredFeatures: optionalFeatures.filter((feature) => adapter.features.has(feature)),
      requiredLimits: largeBuffers ? { maxBufferSize, maxStorageBufferBindingSize } : {},
    })
    return new Gpu(device, readInfo(adapter, device))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new WebGpuUnavailable(
      `The WebGPU adapter refused a device (${reason}): reload the page or restart the browser.`,
      {},
      { cause: error },
    )
  }
}

/** One device with everything made on it. Nothing made by one `Gpu` may be used with another. */
export class Gpu {
  readonly info: GpuInfo
  /** Resolves when the device is lost by anything but `destroy()`; every pending and later `read()` and `finished()` then rejects with the same error. */
  readonly lost: Promise<DeviceLost>

  readonly #device: GPUDevice
  readonly #kernels: KernelCache
  readonly #staging: StagingBuffers
  readonly #uniforms = new Map<string, GPUBuffer>()
  readonly #waiting = new Set<(error: DeviceLost) => void>()
  /** Error scopes whose outcome is not known yet. */
  readonly #checks = new Set<Promise<void>>()
  #ended: DeviceLost | undefined
  /** The first refused call that no caller has heard of yet. */
  #failure: KernelError | undefined

  constructor(device: GPUDevice, info: GpuInfo) {
    this.info = info
    this.#device = device
    this.#kernels = new KernelCache(device)
    this.#staging = new StagingBuffers(device)
    device.addEventListener('uncapturederror', ({ error }) => this.#fail(`The GPU refused a call: ${error.message}`))
    this.lost = new Promise((resolve) => {
      device.lost.then(({ message }) => {
        if (this.#ended) return
        const error = new DeviceLost(`The GPU device was lost: ${message || 'the browser gave no reason'}`)
        this.#end(error)
        resolve(error)
      })
    })
  }

  /**
   * A new tensor, zero-filled when no data are given.
   *
   * Running out of GPU memory is reported by the browser later: the next `read()` or `finished()` rejects with a `KernelError`.
   *
   * @throws InvalidInput for a bad shape or data of another size; KernelError when one binding cannot hold it.
   */
  tensor(label: string, shape: readonly number[], { type = 'f32', data }: TensorOptions = {}): Tensor {
    const tensor = this.#watch('out-of-memory', `tensor ${label} [${shape.join(', ')}]`, () =>
      createTensor(this.#device, label, shape, type),
    )
    if (data) {
      if (data.byteLength !== byteLength(tensor)) {
        throw new InvalidInput(`Tensor ${label} [${shape.join(', ')}] of ${type} was given ${data.byteLength} bytes.`, { label })
      }
      writeTensor(this.#device, tensor, data, 0)
    }
    return tensor
  }

  /**
   * Compiles a compute shader. Compiled kernels are kept by (source, entry point, constants), and concurrent requests share the work.
   *
   * @param constants values of the shader's `override` declarations.
   * @throws KernelError quoting the WGSL line.
   */
  kernel(label: string, wgsl: string, constants: KernelConstants = {}, entryPoint = 'main'): Promise<Kernel> {
    return this.#untilLost(this.#kernels.get(label, wgsl, constants, entryPoint))
  }

  /** Whether it can be used no more: the device was lost or destroyed. */
  get hasEnded(): boolean {
    return this.#ended !== undefined
  }

  /** An empty program to record dispatches into. */
  program(label: string): Program {
    return new Program(label, this.#device.limits, (kernel, bindings) => this.#bind(kernel, bindings))
  }

  /** Uploads `data` over the tensor's elements from `elementOffset` on, after everything submitted so far. */
  write(tensor: Tensor, data: ArrayBufferView, elementOffset = 0): void {
    writeTensor(this.#device, tensor, data, elementOffset)
  }

  /** Copies the leading elements, as many as both tensors have: how a cache moves into a larger one. */
  copy(from: Tensor, to: Tensor): void {
    if (from.type !== to.type) throw new InvalidInput(`Tensor ${from.label} (${from.type}) cannot be copied to ${to.label} (${to.type}).`)
    this.#watch('validation', `copying ${from.label}`, () => {
      const encoder = this.#device.createCommandEncoder({ label: `copy ${from.label}` })
      encoder.copyBufferToBuffer(from.buffer, 0, to.buffer, 0, byteRange(from, 0, Math.min(from.size, to.size)).length)
      this.#device.queue.submit([encoder.finish()])
    })
  }

  /** Runs the programs in order as one command buffer with one compute pass. Returns at once. */
  submit(programs: readonly Program[]): void {
    this.#watch('validation', `program ${programs.map(({ label }) => label).join(', ')}`, () => {
      const encoder = this.#device.createCommandEncoder({ label: programs[0]?.label ?? 'empty' })
      const pass = encoder.beginComputePass()
      for (const program of programs) program.encode(pass)
      pass.end()
      this.#device.queue.submit([encoder.finish()])
    })
  }

  /**
   * Elements `[elementOffset, elementOffset + count)` as they are after everything submitted so far. f16 is expanded;
   * u32 values are exact up to 2^24.
   *
   * @throws DeviceLost when the device goes before the data arrive; KernelError when a call since the last read was refused.
   */
  async read(tensor: Tensor, elementOffset = 0, count = tensor.size - elementOffset): Promise<Float32Array> {
    const { start, length, lead } = byteRange(tensor, elementOffset, count)
    const bytes = await this.#readBytes([{ buffer: tensor.buffer, start, length }])
    if (tensor.type === 'f16') return expandHalves(new Uint16Array(bytes, lead, count))
    return tensor.type === 'u32' ? Float32Array.from(new Uint32Array(bytes)) : new Float32Array(bytes)
  }

  /** The elements of several ranges of f32 tensors, one range after another, in one read-back. Rejects as `read` does. */
  async readRanges(ranges: readonly TensorRange[]): Promise<Float32Array> {
    const bytes = await this.#readBytes(
      ranges.map(({ tensor, elementOffset, count }) => {
        if (tensor.type !== 'f32') throw new InvalidInput(`Tensor ${tensor.label} is ${tensor.type}; ranges are read from f32 tensors.`)
        return { buffer: tensor.buffer, ...byteRange(tensor, elementOffset, count) }
      }),
    )
    return new Float32Array(bytes)
  }

  /** Resolves when all submitted work is done. Rejects as `read` does. */
  async finished(): Promise<void> {
    await this.#untilLost(this.#device.queue.onSubmittedWorkDone())
    await this.#throwFailure()
  }

  /**
   * Makes calls whose refusal is told to this caller and to no other, and waits until all submitted work is done.
   * @throws KernelError for what the GPU refused, no memory left included; DeviceLost.
   */
  async attempt(action: () => void): Promise<void> {
    if (this.#ended) throw this.#ended
    this.#device.pushErrorScope('validation')
    let refusal: Promise<GPUError | null>
    try {
      action()
    } finally {
      refusal = this.#device.popErrorScope()
    }
    const [refused] = await Promise.all([this.#untilLost(refusal), this.finished()])
    if (refused) throw new KernelError(`The GPU refused a call: ${refused.message}`)
  }

  /** Frees the device and everything made on it; pending reads reject with DeviceLost. */
  destroy(): void {
    if (!this.#ended) this.#end(new DeviceLost('The GPU device was released while, or before, this call ran.'))
    this.#device.destroy()
  }

  async #readBytes(ranges: readonly BufferRange[]): Promise<ArrayBuffer> {
    if (this.#ended) throw this.#ended
    const bytes = await this.#untilLost(this.#staging.read(ranges))
    await this.#throwFailure()
    return bytes
  }

  #bind({ label, layout }: Kernel, { params, tensors }: Bindings): GPUBindGroup {
    const entries: GPUBindGroupEntry[] = tensors.map(({ buffer }, index) => ({ binding: index + 1, resource: { buffer } }))
    if (params) entries.push({ binding: 0, resource: { buffer: this.#uniform(params) } })
    return this.#watch('validation', `the bindings of ${label}`, () => this.#device.createBindGroup({ label, layout, entries }))
  }

  /** A buffer with these contents; equal contents share one, and layers that differ in nothing but weights are many. */
  #uniform(contents: ArrayBufferView): GPUBuffer {
    const bytes = new Uint8Array(contents.buffer as ArrayBuffer, contents.byteOffset, contents.byteLength)
    const key = bytes.join()
    let buffer = this.#uniforms.get(key)
    if (!buffer) {
      const size = Math.ceil(bytes.length / 16) * 16
      buffer = this.#device.createBuffer({ label: 'params', size, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST })
      this.#device.queue.writeBuffer(buffer, 0, bytes)
      this.#uniforms.set(key, buffer)
    }
    return buffer
  }

  /** Runs `action` in an error scope; what the GPU refuses in it is told by the next read. */
  #watch<Value>(filter: GPUErrorFilter, what: string, action: () => Value): Value {
    this.#device.pushErrorScope(filter)
    try {
      return action()
    } finally {
      const refusal = filter === 'out-of-memory' ? 'The GPU has no memory left for' : 'The GPU refused'
      const check = this.#device.popErrorScope().then(
        (error) => {
          if (error) this.#fail(`${refusal} ${what}: ${error.message}`)
        },
        () => {}, // The device is gone: `lost` says so.
      )
      this.#checks.add(check)
      check.finally(() => this.#checks.delete(check))
    }
  }

  #fail(message: string): void {
    this.#failure ??= new KernelError(message)
  }

  async #throwFailure(): Promise<void> {
    await Promise.all(this.#checks)
    const failure = this.#failure
    this.#failure = undefined
    if (failure) throw failure
  }

  #end(error: DeviceLost): void {
    this.#ended = error
    for (const reject of this.#waiting) reject(error)
    this.#waiting.clear()
  }

  /** The promise's outcome, or the loss of the device when that comes first or is the cause of a rejection. */
  #untilLost<Value>(promise: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#ended) reject(this.#ended)
      this.#waiting.add(reject)
      promise.then(resolve, async (error) => reject(await this.#cause(error))).finally(() => this.#waiting.delete(reject))
    })
  }

  /** Chromium rejects what is pending on a lost device a moment before it says that the device is lost. */
  async #cause(error: unknown): Promise<NoemaError> {
    await Promise.race([this.#device.lost, new Promise((resolve) => setTimeout(resolve, 100))])
    if (this.#ended) return this.#ended
    if (error instanceof NoemaError) return error
    return new KernelError(`The GPU refused a call: ${error instanceof Error ? error.message : error}`, {}, { cause: error })
  }
}

function readInfo({ info }: GPUAdapter, device: GPUDevice): GpuInfo {
  const { vendor, architecture, device: name, description } = info
  const limits: Record<string, number> = {}
  for (const limit in device.limits) {
    const value = device.limits[limit as keyof GPUSupportedLimits]
    if (typeof value === 'number') limits[limit] = value
  }
  const software =
    info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|warp|basic render/i.test(`${architecture} ${name} ${description}`)
  return { vendor, architecture, device: name, description, software, features: [...device.features].sort(), limits }
}

/** IEEE half floats as f32. */
function expandHalves(halves: Uint16Array): Float32Array {
  return Float32Array.from(halves, (half) => {
    const sign = half & 0x8000 ? -1 : 1
    const exponent = (half >> 10) & 31
    const fraction = half & 1023
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction)
  })
}
