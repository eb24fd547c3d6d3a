import { throwIfAborted } from '../errors'
import type { Gpu, Program, Tensor } from '../gpu'
import { writeCursor } from '../ops'
import { blockRows } from './contextualizer'
import { requireCut, requireRoom } from './memory-rules'
import type { SampledDocument, SampledMemory } from './sampler'

/** What a memory is made of: things with a row for every concept. */
export interface MemoryParts {
  /** Takes the normalised concepts of a block, [block, dim]. */
  input: Tensor
  cursor: Tensor
  /** Records what is to be done with `rows` new concepts that lie in `input`. */
  record(program: Program, rows: number): void
  /** Makes room for `rows` concepts in all. */
  grow(rows: number): void
}

/** Concepts that there is room for at first. */
export const initialRows = 64

/**
 * The concepts of one document on their way into the caches of a model: in blocks, through the same programs whether they come all at once or
 * one by one. The last concept waits for `takePending`, so that encoding it and predicting the next are one submission.
 */
export class ContextMemory implements SampledMemory {
  readonly capacity: number
  /** Concepts there is room for now; programs that bind a cache are good for one value of it. */
  room: number
  readonly #gpu: Gpu
  readonly #dim: number
  readonly #parts: MemoryParts
  /** By number of rows. */
  readonly #programs = new Map<number, Program>()
  /** The normalised concepts, [length, dim]: the last one is encoded again after `truncate`. */
  #concepts = new Float32Array(0)
  #length = 0
  #pending = false

  /** @param capacity most concepts a document may have  @param dim numbers in a concept */
  constructor(gpu: Gpu, parts: MemoryParts, { capacity, dim }: { capacity: number; dim: number }) {
    this.#gpu = gpu
    this.#parts = parts
    this.#dim = dim
    this.capacity = capacity
    this.room = Math.min(initialRows, capacity)
  }

  get length(): number {
    return this.#length
  }

  /** The one document, for `Sampler`. */
  get documents(): SampledDocument[] {
    return [{ length: this.#length, base: 0 }]
  }

  /** Adds normalised concepts [n, dim]: all of them or, after an error or abort, none. @throws ContextFull, Aborted, DeviceLost. */
  async append(concepts: Float32Array, signal?: AbortSignal): Promise<void> {
    const count = concepts.length / this.#dim
    const total = this.#length + count
    requireRoom(total, this.capacity)
    if (count === 0) return
    throwIfAborted(signal)
    this.flush()
    this.#makeRoom(total)
    const before = this.#length
    try {
      while (total - this.#length > 1) {
        const rows = 2 ** Math.floor(Math.log2(Math.min(total - this.#length - 1, blockRows)))
        const start = (this.#length - before) * this.#dim
        this.#write(concepts.subarray(start, start + rows * this.#dim), this.#length)
        this.#gpu.submit([this.#program(rows)])
        this.#length += rows
        await this.#gpu.finished()
        throwIfAborted(signal)
      }
    } catch (error) {
      this.#restore(before)
      throw error
    }
    this.#remember(concepts, before)
    this.#length = total
    this.#queueLast()
  }

  /**
   * Adds normalised concepts [n, dim] whose cache rows are known: `writeRows` writes them, once there is room. All of them or none.
   * @throws ContextFull.
   */
  adopt(concepts: Float32Array, writeRows: () => void): void {
    const count = concepts.length / this.#dim
    const total = this.#length + count
    requireRoom(total, this.capacity)
    if (count === 0) return
    this.flush()
    this.#makeRoom(total)
    writeRows()
    this.#remember(concepts, this.#length)
    this.#length = total
    this.#queueLast()
  }

  /** A copy of the normalised concepts [start, end). */
  concepts(start: number, end: number): Float32Array {
    return this.#concepts.slice(start * this.#dim, end * this.#dim)
  }

  /** The program that encodes the last concept, if that has not been done: to be submitted now. */
  takePending(): Program[] {
    if (!this.#pending) return []
    this.#pending = false
    return [this.#program(1)]
  }

  /** Encodes the last concept if that has not been done. */
  flush(): void {
    const pending = this.takePending()
    if (pending.length > 0) this.#gpu.submit(pending)
  }

  /** Forgets all concepts but the first `length`. @throws InvalidInput when there are fewer. */
  truncate(length: number): void {
    requireCut(this.#length, length)
    if (length < this.#length) this.#restore(length)
  }

  #restore(length: number): void {
    this.#length = length
    this.#pending = false
    if (length > 0) this.#queueLast()
  }

  /** Whatever reads the block's first row, like an output layer, finds the last concept there. */
  #queueLast(): void {
    const position = this.#length - 1
    this.#write(this.#concepts.subarray(position * this.#dim, this.#length * this.#dim), position)
    this.#pending = true
  }

  #write(concepts: Float32Array, position: number): void {
    this.#gpu.write(this.#parts.input, concepts)
    writeCursor(this.#gpu, this.#parts.cursor, { position, contextLength: 0, step: 0 })
  }

  #remember(concepts: Float32Array, before: number): void {
    const start = before * this.#dim
    if (this.#concepts.length < start + concepts.length) {
      const larger = new Float32Array(this.room * this.#dim)
      larger.set(this.#concepts.subarray(0, start))
      this.#concepts = larger
    }
    this.#concepts.set(concepts, start)
  }

  #makeRoom(total: number): void {
    if (total <= this.room) return
    let room = this.room
    while (room < total) room = Math.min(2 * room, this.capacity)
    // Should there be no room, nothing may go on with programs that bind what has grown, and the next call tries again.
    this.#programs.clear()
    this.#parts.grow(room)
    this.room = room
  }

  #program(rows: number): Program {
    let program = this.#programs.get(rows)
    if (!program) {
      program = this.#gpu.program(`encode ${rows} concepts`)
      this.#parts.record(program, rows)
      this.#programs.set(rows, program)
    }
    return program
  }
}
