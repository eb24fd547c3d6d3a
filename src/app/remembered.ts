import { Aborted, type Noema, type RememberedConcept, type Session } from '../api'

/** Results of a search. */
const mostFound = 10
/** Remembered sentences on the map. */
const mostNeighbours = 6
/** Most that one search of the memory finds. */
const searchLimit = 1000

/** What the page shows of the concept memory: how much it holds, what was searched for, what lies near the open document, and what was recalled. */
export class Remembered {
  /** Sentences in the memory; `null` until it is known. */
  size: number | null = null
  /** What the last search found; `null` before the first. */
  found: readonly RememberedConcept[] | null = null
  /** Remembered sentences of other documents that are most like one of the open document's on the map, best first. */
  neighbours: readonly RememberedConcept[] = []
  /** What went wrong last. */
  error: unknown = null
  /** By document and text of the sentence that was written; until the tab is closed. */
  readonly #origins = new Map<string, readonly RememberedConcept[]>()
  readonly #onChange: () => void
  #updating = new AbortController()
  #searching = new AbortController()

  /** @param onChange called whenever there is more to show */
  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** Brings size and neighbours up to date; an update under way is called off. @param concepts those on the map, raw [dim] each */
  async update(noema: Noema, session: Session, concepts: readonly Float32Array[]): Promise<void> {
    this.stop()
    const { signal } = this.#updating
    await this.#attempt(async () => {
      const size = await noema.memory.size()
      const neighbours = size > 0 && concepts.length > 0 ? await findNeighbours(noema, session, concepts, signal) : []
      if (!signal.aborted) Object.assign(this, { size, neighbours })
    })
  }

  stop(): void {
    this.error = null
    this.#updating.abort()
    this.#updating = new AbortController()
  }

  /** Searches the memory; an earlier search is called off. @param language FLORES-200 code of the query */
  async search(noema: Noema, query: string, language: string): Promise<void> {
    this.#searching.abort()
    this.#searching = new AbortController()
    const { signal } = this.#searching
    await this.#attempt(async () => {
      this.found = await noema.memory.search(query, mostFound, { language, signal })
    })
  }

  /** Notes what was recalled for the sentences of a document from index `start` on. */
  note({ id, sentences }: Session, start: number, recalled: readonly RememberedConcept[]): void {
    for (const { text } of sentences.slice(start)) {
      if (recalled.length > 0) this.#origins.set(keyOf(id, text), recalled)
      else this.#origins.delete(keyOf(id, text))
    }
  }

  /** What was recalled when the sentence was written. */
  originsOf(id: string | undefined, text: string): readonly RememberedConcept[] {
    return (id !== undefined && this.#origins.get(keyOf(id, text))) || []
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof Aborted) return
      this.error = error
    }
    this.#onChange()
  }
}

/** The search finds the document's own sentences too, where it is remembered: there is room for them beside the others. */
async function findNeighbours(
  noema: Noema,
  { id, sentences, remembered }: Session,
  concepts: readonly Float32Array[],
  signal: AbortSignal,
): Promise<RememberedConcept[]> {
  const { dim } = noema.info
  const query = new Float32Array(concepts.length * dim)
  for (const [i, concept] of concepts.entries()) query.set(concept, i * dim)
  const count = mostNeighbours + (remembered ? sentences.length : 0)
  const found = await noema.memory.search(query, Math.min(count, searchLimit), { signal })
  return found.filter(({ source }) => source.kind !== 'document' || source.id !== id).slice(0, mostNeighbours)
}

function keyOf(id: string, text: string): string {
  return `${id}\n${text}`
}
