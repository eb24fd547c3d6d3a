import { Aborted, type DocumentSentence, type Noema } from '../api'

/** Sentences put into words at once: few, so that the first appear soon and the rest can be called off. */
const batchSize = 4

/** A document: its sentences, and raw concepts, one [dim] for each of the leading sentences. */
interface Text {
  sentences: readonly DocumentSentence[]
  concepts: readonly Float32Array[]
}

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
    return this.language === null ? undefined : this.#textIn(this.language, sentence)
  }

  /** Reads what is not read yet; a reading under way is called off. */
  async update(noema: Noema, sentences: Text['sentences'], concepts: Text['concepts']): Promise<void> {
    this.stop()
    const { language } = this
    if (language === null) return
    const controller = new AbortController()
    this.#running = controller
    try {
      await this.read(noema, language, { sentences, concepts, signal: controller.signal })
    } catch (error) {
      if (error instanceof Aborted) return
      this.error = error
      this.#onChange()
    }
  }

  /** The leading sentences in a language, each that is not known yet put into words. @throws Aborted, and what `Noema.decode` does. */
  async read(noema: Noema, language: string, { sentences, concepts, signal }: Text & { signal: AbortSignal }): Promise<string[]> {
    const known = sentences.slice(0, concepts.length)
    const missing = known.flatMap((sentence, index) => {
      const concept = concepts[index]
      return concept && this.#textIn(language, sentence) === undefined ? [{ sentence, concept }] : []
    })
    for (let start = 0; start < missing.length; start += batchSize) {
      const batch = missing.slice(start, start + batchSize)
      const vectors = new Float32Array(batch.length * noema.info.dim)
      for (const [i, { concept }] of batch.entries()) vectors.set(concept, i * noema.info.dim)
      const texts = await noema.decode(vectors, { language, signal })
      for (const [i, { sentence }] of batch.entries()) this.#texts.set(keyOf(language, sentence), texts[i] ?? '')
      this.#onChange()
    }
    return known.map((sentence) => this.#textIn(language, sentence) ?? '')
  }

  stop(): void {
    this.error = null
    this.#running?.abort()
    this.#running = null
  }

  #textIn(language: string, sentence: DocumentSentence): string | undefined {
    return sentence.language === language ? sentence.text : this.#texts.get(keyOf(language, sentence))
  }
}

function keyOf(to: string, { language, text }: DocumentSentence): string {
  return `${to} ${language} ${text}`
}
