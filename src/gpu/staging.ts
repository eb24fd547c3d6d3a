/** Mappable buffers for read-back, reused: creating one costs more than the copy of a concept. */
export class StagingBuffers {
  readonly #device: GPUDevice
  readonly #free: GPUBuffer[] = []

  constructor(device: GPUDevice) {
    this.#device = device
  }

  /** A copy of `length` bytes of `source` from byte `start` on (both multiples of 4), as they are after everything submitted so far. */
  async read(source: GPUBuffer, start: number, length: number): Promise<ArrayBuffer> {
    const staging = this.#take(length)
    const encoder = this.#device.createCommandEncoder({ label: `read ${source.label}` })
    encoder.copyBufferToBuffer(source, start, staging, 0, length)
    this.#device.queue.submit([encoder.finish()])
    await staging.mapAsync(GPUMapMode.READ, 0, length)
    const bytes = staging.getMappedRange(0, length).slice(0)
    staging.unmap()
    this.#release(staging)
    return bytes
  }

  #take(length: number): GPUBuffer {
    const index = this.#free.findIndex(({ size }) => size >= length)
    if (index >= 0) return this.#free.splice(index, 1)[0]!
    const size = 2 ** Math.ceil(Math.log2(Math.max(length, 256)))
    return this.#device.createBuffer({ label: 'staging', size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST })
  }

  /** Keeps the two smallest: one read at a time is the rule, and a buffer that once held a whole cache is not worth keeping. */
  #release(staging: GPUBuffer): void {
    this.#free.push(staging)
    this.#free.sort((a, b) => a.size - b.size)
    this.#free.splice(2).forEach((buffer) => {
      buffer.destroy()
    })
  }
}
