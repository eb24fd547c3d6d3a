import type { ConceptModel } from '../models/concept-model'
import type { ConceptStates } from '../store/concept-states'
import { prefixChain } from '../store/prefix-chain'
import type { RowCounts } from './protocol'

/** Bytes that leave the GPU in one read-back at most, unless one chunk is larger. */
const exportBytes = 32 * 2 ** 20

/** A concept model's memory that goes on where an earlier call, or an earlier visit, left a document. */
export class DocumentMemory {
  readonly #model: ConceptModel
  readonly #states: ConceptStates
  readonly #identity: string
  /** Raw concepts; the model has a beginning of them in memory. */
  #document: Float32Array = new Float32Array(0)
  /** Links of a beginning of the document. */
  #links: string[] = []
  /** Rows in memory that are stored or on their way. */
  #kept = 0
  #writes: Promise<unknown> = Promise.resolve()

  /** @param identity differs wherever the state of the same concepts could have other bits */
  constructor(model: ConceptModel, states: ConceptStates, identity: string) {
    this.#model = model
    this.#states = states
    this.#identity = identity
  }

  /**
   * Leaves in the model's memory the longest beginning of a document of raw concepts [n, dim] that is there or in the store.
   * @returns where each of the n rows is: in memory before, restored now, or still to be computed by appending the rest.
   * @throws ContextFull, DeviceLost.
   */
  async recall(document: Float32Array): Promise<RowCounts> {
    const { dim, rowWidth } = this.#model
    const total = document.length / dim
    const remembered = Math.min(this.#commonLength(document), this.#model.length)
    this.#model.truncate(remembered)
    this.#document = document.slice()
    this.#kept = Math.min(this.#kept, remembered)
    this.#links = await prefixChain(this.#identity, document, dim, this.#links.slice(0, remembered))
    if (remembered === total) return { remembered, restored: 0, computed: 0 }
    const rows = await this.#states.read({ links: this.#links, rowWidth }, remembered)
    const restored = rows.length / rowWidth
    if (restored > 0) {
      await this.#model.importRows(rows)
      this.#kept = this.#model.length
    }
    return { remembered, restored, computed: total - remembered - restored }
  }

  /** Empties the memory for a document that is not to be stored. */
  forget(): void {
    this.#model.truncate(0)
    this.#document = new Float32Array(0)
    this.#links = []
    this.#kept = 0
  }

  /** Says that `concept`, raw [dim], comes next in the document. */
  extend(concept: Float32Array): void {
    const longer = new Float32Array(this.#document.length + concept.length)
    longer.set(this.#document)
    longer.set(concept, this.#document.length)
    this.#document = longer
  }

  /**
   * Has the rows in memory stored. It returns at once and never rejects: the rows are copied on the GPU as they are now, and read back and
   * written while other work goes on.
   * @param most leading rows to be stored at most. Default: all.
   */
  keep(most = this.#model.length): void {
    const rows = Math.min(most, this.#model.length)
    if (rows === 0) return
    const { dim, rowWidth } = this.#model
    const document = this.#document.subarray(0, rows * dim)
    const known = this.#links.slice(0, rows)
    const exported = Promise.all(this.#exportNew(rows))
    this.#writes = Promise.all([exported, this.#writes])
      .then(async ([groups]) => {
        const links = await prefixChain(this.#identity, document, dim, known)
        for (const { start, end, content } of groups) await this.#states.write({ links: links.slice(0, end), rowWidth }, start, content)
      })
      .catch(() => undefined)
  }

  /** Resolves when everything to be kept is stored, or cannot be. */
  async stored(): Promise<void> {
    await this.#writes
  }

  /** From the beginning of the chunk that the first new row belongs to. Without new rows: no rows, so that the document is marked as used. */
  #exportNew(rows: number): Promise<{ start: number; end: number; content: Float32Array }>[] {
    const { rowWidth } = this.#model
    const size = this.#states.chunkRows(rowWidth)
    const groupRows = size * Math.max(1, Math.floor(exportBytes / (size * rowWidth * Float32Array.BYTES_PER_ELEMENT)))
    const groups = []
    let start = this.#kept < rows ? this.#kept - (this.#kept % size) : rows
    do {
      const group = { start, end: Math.min(rows, start + groupRows) }
      groups.push(this.#model.exportRows(group.start, group.end).then((content) => ({ ...group, content })))
      start = group.end
    } while (start < rows)
    this.#kept = Math.max(this.#kept, rows)
    return groups
  }

  /** Concepts that the document in memory and another have in common at their beginning, bit for bit. */
  #commonLength(other: Float32Array): number {
    const { dim } = this.#model
    const [a, b] = [bits(this.#document), bits(other)]
    const length = Math.min(a.length, b.length)
    let same = 0
    while (same < length && a[same] === b[same]) same++
    return Math.floor(same / dim)
  }
}

function bits({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length)
}
