/** Bytes `[start, start + length)` of a buffer, both multiples of 4. */
export interface BufferRange {
  buffer: GPUBuffer
  start: number
  length: number
}

/** Mappable buffers for read-back, reused: creating one costs more than the copy of a concept. */
export class StagingBuffers {
  readonly #device: GPUDevice
  readonly #free: GPUBuffer[] = []

  constructor(device: GPUDevice) {
    this.#device = device
  }

  /** A copy of the ranges one after another, as they are after everything submitted so far. */
  async read(ranges: readonly BufferRange[]): Promise<ArrayBuffer> {
    const length = ranges.reduce((sum, range) => sum + range.length, 0)
    const staging = this.#take(length)
    const encoder = this.#device.createCommandEncoder({ label: `read ${ranges[0]?.buffer.label ?? 'nothing'}` })
    let end = 0
    for (const range of ranges) {
      encoder.copyBufferToBuffer(range.buffer, range.start, staging, end, range.length)
      end += range.length
    }
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
