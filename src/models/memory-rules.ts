import { ContextFull, InvalidInput } from '../errors'

/** @throws ContextFull when a memory would have more concepts than it holds. */
export function requireRoom(total: number, capacity: number): void {
  if (total <= capacity) return
  throw new ContextFull(`The document would have ${total} concepts; this model holds ${capacity}: start a new one or shorten it.`, {
    concepts: total,
    capacity,
  })
}

/** @throws InvalidInput when a memory of `length` concepts cannot be cut to `to`. */
export function requireCut(length: number, to: number): void {
  if (!Number.isInteger(to) || to < 0 || to > length) {
    throw new InvalidInput(`The memory has ${length} concepts and cannot be cut to ${to}.`)
  }
}

/** @throws InvalidInput when rows [start, end) are not among the `length` of a memory. */
export function requireRange(length: number, start: number, end: number): void {
  if (!Number.isInteger(start) || start < 0 || start > end || !Number.isInteger(end) || end > length) {
    throw new InvalidInput(`The memory has ${length} concepts; rows ${start} to ${end} are not among them.`)
  }
}

/** How many rows of state there are in `numbers`. @throws InvalidInput when that is not a whole number. */
export function wholeRows(numbers: number, rowWidth: number): number {
  if (numbers % rowWidth === 0) return numbers / rowWidth
  throw new InvalidInput(`A row of state has ${rowWidth} numbers; ${numbers} are not a whole number of rows.`)
}

/** @throws InvalidInput for an empty memory. */
export function requireConcepts(length: number): void {
  if (length === 0) throw new InvalidInput('There is nothing to continue: append a concept first.')
}

/** Lets one call at a time use a memory: two at once would write over each other. */
export class Turn {
  #taken = false

  /** @throws InvalidInput while an earlier call runs. */
  async take<Result>(call: () => Promise<Result>): Promise<Result> {
    if (this.#taken) throw new InvalidInput('This memory is in use by an earlier call: wait for it, or fork the model.')
    this.#taken = true
    try {
      return await call()
    } finally {
      this.#taken = false
    }
  }
}
