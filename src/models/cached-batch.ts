import { InvalidInput, throwIfAborted } from '../errors'
import type { Gpu, Program, Tensor } from '../gpu'
import { createCursor, writeCursor } from '../ops'
import type { SharedParts } from './cached-model'
import type { BatchRequest, ConceptBatch, NoiseSource, PredictOptions } from './concept-model'
import { blockRows, Contextualizer, type ContextualizerWeights } from './contextualizer'
import { requireRoom, wholeRows } from './memory-rules'
import type { Normalizer } from './normalizer'
import type { SampledDocument, SampledMemory } from './sampler'
import { conceptsOfRows, type StateColumn, writeRows } from './state-rows'

interface BatchedDocument {
  length: number
  /** The last concept, normalised [dim]. */
  last: Float32Array
  /** Whether the last concept is missing in the caches. */
  isNew: boolean
}

/**
 * Documents in shared caches, each with rows of its own, so that one dispatch serves one row of every document: the weights, which decide how long
 * a concept takes, are read once for all. A row is computed as in a `CachedModel`, to the same bits.
 */
export abstract class CachedBatch implements ConceptBatch, SampledMemory {
  readonly size: number
  readonly room: number
  protected readonly cursor: Tensor
  protected readonly reader: Contextualizer
  readonly #gpu: Gpu
  readonly #normalizer: Normalizer
  readonly #documents: BatchedDocument[]
  /** Documents that the running call predicts for, in the order of their rows. */
  #chosen: number[] = []
  /** By number of documents. */
  readonly #programs = new Map<number, Program>()

  /**
   * @param documents as many of them as one binding can hold the keys of
   * @param room most concepts of a document
   */
  protected constructor(
    { gpu, kernels, normalizer, contextualizer }: SharedParts & { contextualizer: ContextualizerWeights },
    documents: number,
    room: number,
  ) {
    const { maxStorageBufferBindingSize, maxBufferSize } = gpu.info.limits
    const bytes = (room + 1) * contextualizer.architecture.modelDim * Float32Array.BYTES_PER_ELEMENT
    const most = Math.floor(Math.min(maxStorageBufferBindingSize!, maxBufferSize!) / bytes)
    this.size = Math.max(1, Math.min(documents, most, blockRows))
    this.room = room
    this.#gpu = gpu
    this.#normalizer = normalizer
    this.#documents = Array.from({ length: this.size }, () => ({ length: 0, last: new Float32Array(normalizer.dim), isNew: false }))
    this.cursor = createCursor(gpu, this.size)
    this.reader = new Contextualizer(gpu, kernels, contextualizer, this.cursor, this.size * (room + 1))
  }

  async importRows(document: number, rows: Float32Array): Promise<void> {
    const held = this.#document(document)
    const { dim } = this.#normalizer
    const width = this.columns.reduce((sum, { tensor }) => sum + tensor.shape[1]!, dim)
    const count = wholeRows(rows.length, width)
    if (count === 0) return
    requireRoom(held.length + count, this.room)
    writeRows(this.#gpu, this.columns, rows, { start: this.#base(document) + held.length, dim })
    held.last = conceptsOfRows(rows, { count, dim }).slice(-dim)
    held.length += count
    held.isNew = false
  }

  async append(document: number, concept: Float32Array): Promise<void> {
    const held = this.#document(document)
    if (held.isNew) throw new InvalidInput(`Document ${document} has a concept that nothing was predicted after: predict first.`)
    requireRoom(held.length + 1, this.room)
    held.last = this.#normalizer.normalize(concept)
    held.length++
    held.isNew = true
  }

  async predict(
    requests: readonly BatchRequest[],
    options: Omit<PredictOptions, 'noise' | 'onStep' | 'onTrajectory'> = {},
  ): Promise<Float32Array[]> {
    const chosen = requests.map(({ document }) => document)
    const empty = chosen.find((document) => this.#document(document).length === 0)
    if (empty !== undefined) throw new InvalidInput(`Document ${empty} has nothing to continue: import its rows first.`)
    if (new Set(chosen).size < chosen.length) throw new InvalidInput('A document can be continued once at a time.')
    throwIfAborted(options.signal)
    const { dim } = this.#normalizer
    this.#chosen = chosen
    for (const [row, document] of chosen.entries()) this.#gpu.write(this.reader.input, this.#documents[document]!.last, row * dim)
    const predicted = this.#normalizer.denormalize(
      await this.predictNormalized(
        requests.map(({ noise }) => noise),
        options,
      ),
    )
    for (const document of chosen) this.#documents[document]!.isNew = false
    return chosen.map((_, row) => predicted.slice(row * dim, (row + 1) * dim))
  }

  /** The chosen ones. */
  get documents(): SampledDocument[] {
    return this.#chosen.map((document) => ({ length: this.#documents[document]!.length, base: this.#base(document) }))
  }

  /** Reads the last concept of every chosen document; where it was read before, the same bits take the place of its row. */
  takePending(): Program[] {
    const rows = this.#chosen.length
    let program = this.#programs.get(rows)
    if (!program) {
      program = this.#gpu.program(`encode the next concept of ${rows} documents`)
      this.reader.record(program, rows, true)
      this.recordContext(program, rows)
      this.#programs.set(rows, program)
    }
    return [program]
  }

  dispose(): void {
    this.reader.destroy()
    this.cursor.destroy()
  }

  /** The normalised concepts [chosen, dim] that follow those of the chosen documents. It writes the cursors and submits `takePending` first. */
  protected abstract predictNormalized(
    noise: readonly NoiseSource[],
    options: Omit<PredictOptions, 'noise' | 'onStep' | 'onTrajectory'>,
  ): Promise<Float32Array>

  /** Where the rows of the state lie, in the order in which the model exports them. */
  protected get columns(): StateColumn[] {
    return this.reader.columns
  }

  /** Records what the model keeps of a concept of each of `rows` documents beside the reader, which has just read them. */
  protected recordContext(_program: Program, _rows: number): void {}

  protected writeCursors(): void {
    for (const [row, { length, base }] of this.documents.entries()) {
      writeCursor(this.#gpu, this.cursor, { position: length - 1, contextLength: length + 1, step: 0, base }, row)
    }
  }

  #document(document: number): BatchedDocument {
    const held = this.#documents[document]
    if (!held) throw new InvalidInput(`The batch has ${this.size} documents and no document ${document}.`)
    return held
  }

  /** The row in front is the denoiser's zero vector. */
  #base(document: number): number {
    return document * (this.room + 1)
  }
}
