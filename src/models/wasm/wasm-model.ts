import { throwIfAborted } from '../../errors'
import { Graph, type GraphBuilder, nextTask } from '../../onnx'
import type { ConceptModel, PredictOptions } from '../concept-model'
import { requireConcepts, requireCut, requireRange, requireRoom, Turn, wholeRows } from '../memory-rules'
import { type Normalizer, withRawTrajectory } from '../normalizer'
import { joinColumns, splitColumns } from '../state-rows'
import { RowTable } from './row-table'

/** What the memories of one model have in common. */
export interface WasmParts {
  graphs: Record<string, Graph>
  normalizer: Normalizer
  /** Most concepts in a document. */
  capacity: number
  /** Memories that use the graphs. */
  users: number
}

/** What reading a concept gives. */
export interface ReadConcept {
  /** Its rows of state, one for each column. */
  state: Float32Array[]
  /** What the model predicts from, or all but predicts, where that is more than the state. */
  output?: Float32Array
}

/**
 * A concept model on the processor, by ONNX Runtime. It reads its document concept by concept, each in a run of its own: a row has the same bits
 * whether it comes with others, alone, or after a reload. The rows of state lie in plain arrays, in the columns in which they are exported.
 */
export abstract class WasmModel implements ConceptModel {
  readonly dim: number
  readonly capacity: number
  readonly rowWidth: number
  readonly #parts: WasmParts
  /** The normalised concepts, and then the columns of their state. */
  readonly #tables: RowTable[]
  readonly #turn = new Turn()
  #length = 0
  /** What reading the last concept gave beside its state, where that is known. */
  #lastOutput: Float32Array | undefined

  /** @param widths of the columns of state */
  constructor(parts: WasmParts, widths: readonly number[]) {
    this.#parts = parts
    this.dim = parts.normalizer.dim
    this.capacity = parts.capacity
    this.#tables = [this.dim, ...widths].map((width) => new RowTable(width))
    this.rowWidth = this.#tables.reduce((sum, { width }) => sum + width, 0)
    parts.users++
  }

  get length(): number {
    return this.#length
  }

  append(concepts: Float32Array, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return this.alone(() => this.appendNormalized(this.#parts.normalizer.normalize(concepts), signal))
  }

  predict(options: PredictOptions): Promise<Float32Array> {
    return this.alone(async () => {
      requireConcepts(this.#length)
      const { normalizer } = this.#parts
      return normalizer.denormalize(await this.predictNormalized(withRawTrajectory(options, normalizer)))
    })
  }

  truncate(length: number): void {
    requireCut(this.#length, length)
    if (length === this.#length) return
    this.#length = length
    this.#lastOutput = undefined
  }

  async exportRows(start: number, end: number): Promise<Float32Array> {
    requireRange(this.#length, start, end)
    if (start === end) return new Float32Array(0)
    const columns = this.#tables.map((table) => table.rows(start, end))
    return joinColumns(columns, end - start)
  }

  importRows(rows: Float32Array): Promise<void> {
    return this.alone(async () => {
      const count = wholeRows(rows.length, this.rowWidth)
      requireRoom(this.#length + count, this.capacity)
      if (count === 0) return
      const widths = this.#tables.map(({ width }) => width)
      for (const [index, column] of splitColumns(rows, widths).entries()) this.#tables[index]!.write(this.#length, column)
      this.#length += count
      this.#lastOutput = undefined
    })
  }

  abstract fork(): ConceptModel

  dispose(): void {
    if (--this.#parts.users > 0) return
    for (const graph of Object.values(this.#parts.graphs)) void graph.release()
  }

  /** Reads the normalised concept [dim] that follows the `position` ones whose state is there. */
  protected abstract read(concept: Float32Array, position: number): Promise<ReadConcept>

  /** The normalised concept [dim] that follows those in memory; one or more are there. */
  protected abstract predictNormalized(options: PredictOptions): Promise<Float32Array>

  /** A column of the state of the first `count` concepts, [count, width]; good until more are written. */
  protected stateOf(column: number, count: number): Float32Array {
    return this.#tables[column + 1]!.rows(0, count)
  }

  /** As `append`, for normalised concepts [n, dim], within a call that runs alone. */
  protected async appendNormalized(concepts: Float32Array, signal?: AbortSignal): Promise<void> {
    const before = this.#length
    const total = before + concepts.length / this.dim
    requireRoom(total, this.capacity)
    let output: Float32Array | undefined
    for (let position = before; position < total; position++) {
      throwIfAborted(signal)
      const concept = concepts.subarray((position - before) * this.dim, (position - before + 1) * this.dim)
      const read = await this.read(concept, position)
      for (const [index, row] of [concept, ...read.state].entries()) this.#tables[index]!.write(position, row)
      output = read.output
      await nextTask()
    }
    throwIfAborted(signal)
    if (total === before) return
    this.#length = total
    this.#lastOutput = output
  }

  /** What `read` gives beside the state for the last concept, which is read again where it is not known. */
  protected async lastOutput(): Promise<Float32Array> {
    const position = this.#length - 1
    this.#lastOutput ??= (await this.read(this.#tables[0]!.rows(position, this.#length), position)).output
    return this.#lastOutput!
  }

  /** Runs a call that uses this memory. @throws InvalidInput while another does. */
  protected alone<Value>(call: () => Promise<Value>): Promise<Value> {
    return this.#turn.take(call)
  }
}

/** Opens a model's graphs, each with its share of the weights. @throws ModelFormatError. */
export async function openGraphs<Name extends string>(builders: Record<Name, GraphBuilder>): Promise<Record<Name, Graph>> {
  const graphs: Partial<Record<Name, Graph>> = {}
  try {
    // One after the other: ONNX Runtime forgets all weights that were handed over when it has opened a graph.
    for (const [name, builder] of Object.entries(builders) as [Name, GraphBuilder][]) {
      const { file, inputs, externalData } = builder.build()
      graphs[name] = await Graph.load(name, file, inputs, { externalData })
    }
    return graphs as Record<Name, Graph>
  } catch (error) {
    for (const graph of Object.values(graphs) as Graph[]) void graph.release()
    throw error
  }
}
