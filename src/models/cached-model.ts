import type { Gpu, Program, Tensor } from '../gpu'
import { createCursor } from '../ops'
import type { ConceptModel, PredictOptions } from './concept-model'
import { ContextMemory, initialRows } from './context-memory'
import type { Kernels } from './kernels'
import { requireConcepts, requireRange, Turn, wholeRows } from './memory-rules'
import { type Normalizer, withRawTrajectory } from './normalizer'
import { conceptsOfRows, readRows, type StateColumn, writeRows } from './state-rows'

/** What the memories of one model have in common. */
export interface SharedParts {
  gpu: Gpu
  kernels: Kernels
  normalizer: Normalizer
  /** Most concepts in a document. */
  capacity: number
}

/** What reads the concepts of one document into caches of its own. */
export interface DocumentReader {
  /** Takes the normalised concepts of a block, [block, dim]. */
  readonly input: Tensor
  /** Where the rows of its state lie, in the order in which they are exported. */
  readonly columns: StateColumn[]
  /** Records the reading of `rows` concepts that follow the `cursor.position` ones in the caches. */
  record(program: Program, rows: number): void
  /** Makes room for `rows` concepts in all; programs must be recorded again. */
  grow(rows: number): void
  destroy(): void
}

/** A concept model that reads its document once, row by row; what it makes of what was read is its subclass's. */
export abstract class CachedModel<Reader extends DocumentReader> implements ConceptModel {
  readonly dim: number
  protected readonly cursor: Tensor
  protected readonly reader: Reader
  protected readonly memory: ContextMemory
  readonly #gpu: Gpu
  readonly #normalizer: Normalizer
  readonly #turn = new Turn()

  /** @param read makes the reader, with room for `rows` concepts at first */
  constructor({ gpu, normalizer, capacity }: SharedParts, read: (cursor: Tensor, rows: number) => Reader) {
    this.dim = normalizer.dim
    this.#gpu = gpu
    this.#normalizer = normalizer
    this.cursor = createCursor(gpu)
    const reader = read(this.cursor, Math.min(initialRows, capacity))
    const parts = {
      input: reader.input,
      cursor: this.cursor,
      record: (program: Program, rows: number) => {
        reader.record(program, rows)
        this.recordContext(program, rows)
      },
      grow: (rows: number) => {
        reader.grow(rows)
        this.grow(rows)
      },
    }
    this.reader = reader
    this.memory = new ContextMemory(gpu, parts, { capacity, dim: this.dim })
  }

  get capacity(): number {
    return this.memory.capacity
  }

  get length(): number {
    return this.memory.length
  }

  append(concepts: Float32Array, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return this.alone(() => this.memory.append(this.#normalizer.normalize(concepts), signal))
  }

  predict(options: PredictOptions): Promise<Float32Array> {
    return this.alone(async () => {
      requireConcepts(this.length)
      const normalized = await this.predictNormalized(withRawTrajectory(options, this.#normalizer))
      return this.#normalizer.denormalize(normalized)
    })
  }

  truncate(length: number): void {
    this.memory.truncate(length)
  }

  get rowWidth(): number {
    return this.columns.reduce((sum, { tensor }) => sum + tensor.shape[1]!, this.dim)
  }

  async exportRows(start: number, end: number): Promise<Float32Array> {
    requireRange(this.length, start, end)
    this.memory.flush()
    return readRows(this.#gpu, this.columns, this.memory.concepts(start, end), { start, count: end - start })
  }

  importRows(rows: Float32Array): Promise<void> {
    return this.alone(async () => {
      const start = this.length
      const count = wholeRows(rows.length, this.rowWidth)
      const concepts = conceptsOfRows(rows, { count, dim: this.dim })
      this.memory.adopt(concepts, () => writeRows(this.#gpu, this.columns, rows, { start, dim: this.dim }))
    })
  }

  abstract fork(): ConceptModel

  dispose(): void {
    this.reader.destroy()
    this.cursor.destroy()
  }

  /** The normalised concept [dim] that follows those in memory; one or more are there. `onTrajectory` is given normalised ones. */
  protected abstract predictNormalized(options: PredictOptions): Promise<Float32Array>

  /** Where the rows of the state lie, in the order in which they are exported. */
  protected get columns(): StateColumn[] {
    return this.reader.columns
  }

  /** Records what the model keeps of `rows` concepts beside the reader, which has just read them. */
  protected recordContext(_program: Program, _rows: number): void {}

  /** Makes room for `rows` concepts in what `recordContext` keeps. */
  protected grow(_rows: number): void {}

  /** Runs a call that uses the GPU state of this memory. @throws InvalidInput while another does. */
  protected alone<Value>(call: () => Promise<Value>): Promise<Value> {
    return this.#turn.take(call)
  }
}
