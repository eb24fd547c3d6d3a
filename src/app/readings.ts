import { Aborted, type DocumentSentence, type Noema } from '../api'

/** Sentences put into words at once: few, so that the first appear soon and the rest can be called off. */
const batchSize = 4

/** The document read in a second language: every concept put into words once more, and kept until the tab is closed. */
export class Readings {
  /** FLORES-200 code; `null` when the document is not read in a second language. */
  language: string | null = null
  /** What went wrong last. */
  error: unknown = null
  readonly #texts = new Map<string, string>()
  readonly #onChange: () => void
  #running: AbortController | null = null

  /** @param onChange called whenever there is more to show */
  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** The sentence in the second language, when it is known. */
  textOf(sentence: DocumentSentence): string | undefined {
    return sentence.language === this.language ? sentence.text : this.#texts.get(this.#key(sentence))
  }

  /**
   * Reads what is not read yet; a reading under way is called off.
   * @param concepts raw, one [dim] for each of the leading sentences
   */
  async update(noema: Noema, sentences: readonly DocumentSentence[], concepts: readonly Float32Array[]): Promise<void> {
    this.stop()
    const { language } = this
    if (language === null) return
    const controller = new AbortController()
    this.#running = controller
    const missing = sentences.slice(0, concepts.length).flatMap((sentence, index) => {
      const concept = concepts[index]
      return concept && this.textOf(sentence) === undefined ? [{ sentence, concept }] : []
    })
    try {
      for (let start = 0; start < missing.length; start += batchSize) {
        const batch = missing.slice(start, start + batchSize)
        const vectors = new Float32Array(batch.length * noema.info.dim)
        for (const [i, { concept }] of batch.entries()) vectors.set(concept, i * noema.info.dim)
        const texts = await noema.decode(vectors, { language, signal: controller.signal })
        for (const [i, { sentence }] of batch.entries()) this.#texts.set(this.#key(sentence), texts[i] ?? '')
        this.#onChange()
      }
    } catch (error) {
      if (error instanceof Aborted) return
      this.error = error
      this.#onChange()
    }
  }

  stop(): void {
    this.error = null
    this.#running?.abort()
    this.#running = null
  }

  #key({ language, text }: DocumentSentence): string {
    return `${this.language} ${language} ${text}`
  }
}
