import type { Noema, RememberedConcept, Session } from '../api'
import { continueOptions, summaryOptions } from './dials'
import { DocumentWorkspace, newId } from './document-workspace'
import { rows } from './numbers'
import type { Outcome } from './page-state'

const outcomes = { 'end-of-text': 'ended', repetition: 'repeated', 'context-full': 'full', length: null } as const

/** What the page can do: to the documents, and to the text of the open one. */
export class Workspace extends DocumentWorkspace {
  /** Puts the draft into the document and, unless told otherwise, writes on. */
  continue({ onlyAdd = false, isKept = false } = {}): Promise<void> {
    return this.run(async (session, noema, signal) => {
      if (!isKept) await this.keep(session)
      if (!(await this.#addDraft(session, signal))) return this.say('nothingYet')
      if (!onlyAdd) this.outcome = await this.#generate(session, noema, signal)
    })
  }

  /** Replaces a sentence's text; an empty one removes the sentence. */
  edit(index: number, text: string): Promise<void> {
    return this.change(async (session) => {
      await this.keep(session)
      await session.edit(index, text)
    })
  }

  /** Replaces a sentence and all after it by new ones, with the next seed. */
  async predictAgain(index: number): Promise<void> {
    await this.change(async (session) => {
      await this.keep(session)
      await session.truncate(index)
      this.setDials({ seed: this.dials.seed + 1 })
    })
    if (!this.error) await this.continue({ isKept: true })
  }

  /** Puts the draft into the document and makes the sentences that would follow the outline; the document does not keep them. */
  writeOutline(points: number): Promise<void> {
    return this.run(async (session, noema, signal) => {
      if (this.draft.trim() !== '') await this.keep(session)
      if (!(await this.#addDraft(session, signal))) return this.say('nothingYet')
      this.say('outlining')
      const { length } = session.sentences
      const lines: string[] = []
      try {
        for await (const { text } of session.continue({ ...continueOptions(noema.info, this.dials), concepts: points, signal })) {
          lines.push(text)
          this.set({ outline: lines.filter(hasWord).join('\n') })
        }
        this.outcome = null
      } finally {
        // What another tab has added meanwhile stays, and so does what it stands after.
        const added = session.sentences.slice(length)
        const isOutline = added.every(({ text, generated }, i) => generated && (i === lines.length || text === lines[i]))
        if (isOutline) await session.truncate(length)
      }
    })
  }

  /** Puts each line of the outline at the end of the document and writes `each` sentences on from there; lines not yet reached stay in the outline. */
  expandOutline(each: number): Promise<void> {
    return this.run(async (session, noema, signal) => {
      const lines = this.outline.split('\n').filter(hasWord)
      if (lines.length === 0) return this.say('noOutline')
      await this.keep(session)
      await this.#addDraft(session, signal)
      const language = this.dials.to || (session.sentences.at(-1)?.language ?? this.draftLanguage)
      let outcome: Outcome | null = null
      while (lines.length > 0 && outcome !== 'full') {
        await session.append(lines.shift() as string, { language, signal })
        this.outline = lines.join('\n')
        await this.refresh()
        outcome = await this.#generate(session, noema, signal, each)
      }
      this.outcome = outcome
    })
  }

  /**
   * Puts the draft into the document and has the model say it in short; the document does not hold that.
   * @param ratio see `Session.summarize`
   */
  summarize(ratio: number): Promise<void> {
    return this.run(async (session, noema, signal) => {
      if (this.draft.trim() !== '') await this.keep(session)
      if (!(await this.#addDraft(session, signal))) return this.say('nothingYet')
      this.summary = null
      this.say('summarizing')
      const stream = session.summarize({ ...summaryOptions(noema.info, this.dials), ratio, signal })
      const sentences: string[] = []
      for (;;) {
        const { value, done } = await stream.next()
        if (done) {
          this.measured = { ...this.measured, rows: value.rows }
          this.outcome = value.stop === 'repetition' ? 'repeated' : null
          return
        }
        sentences.push(value.text)
        this.summary = { sentences: sentences.filter(hasWord), language: value.language }
        this.changed()
      }
    })
  }

  /** Opens the summary as a new document. */
  openSummary(): Promise<void> {
    return this.run(async (session, noema, signal) => {
      if (!this.summary || this.summary.sentences.length === 0) return this.say('nothingYet')
      const title = session.title && this.messages.summaryOf(session.title).slice(0, 200)
      await this.#openWritten(noema, { ...this.summary, title }, signal)
    })
  }

  /**
   * Opens a new document with every concept of this one in the words of another language.
   * @param title of the new document; empty for none
   */
  saveReading(language: string, title: string): Promise<void> {
    return this.run(async (_, noema, signal) => {
      this.say('translating')
      const texts = await this.readings.read(noema, language, { sentences: this.sentences, concepts: this.concepts, signal })
      const translated = texts.filter(hasWord)
      if (translated.length === 0) return this.say('nothingYet')
      await this.#openWritten(noema, { sentences: translated, language, title }, signal)
      this.readings.language = null
      this.outcome = null
    })
  }

  /** Opens a new document. */
  async #openWritten(
    noema: Noema,
    { sentences, language, title }: { sentences: readonly string[]; language: string; title: string },
    signal: AbortSignal,
  ): Promise<void> {
    const session = await noema.open(newId())
    // As paragraphs of their own they stay the sentences that they are.
    await session.append(sentences.join('\n\n'), { language, signal })
    if (title) await session.rename(title)
    await this.open(session.id)
  }

  /** Puts the draft into the document. @returns whether the document has a sentence */
  async #addDraft(session: Session, signal: AbortSignal): Promise<boolean> {
    if (this.draft.trim() !== '') {
      this.say('reading')
      await session.append(this.draft, { language: this.draftLanguage, signal })
      this.draft = ''
      await this.refresh()
    }
    return this.sentences.length > 0
  }

  /** @returns why it ended before all sentences were written, if it did */
  async #generate(session: Session, noema: Noema, signal: AbortSignal, concepts = this.dials.concepts): Promise<Outcome | null> {
    this.say(null)
    const start = session.sentences.length
    let milliseconds = 0
    let count = 0
    let recalled: readonly RememberedConcept[] = []
    const stream = session.continue({ ...continueOptions(noema.info, this.dials), concepts, signal })
    for (;;) {
      const { value, done } = await stream.next()
      if (done) {
        this.measured = { ...this.measured, rows: value.rows }
        return outcomes[value.stop] ?? (this.outcome === 'deviceLost' ? this.outcome : null)
      }
      milliseconds += value.timing.predict + value.timing.decode
      count++
      recalled = value.recalled ?? recalled
      this.remembered.note(session, start, recalled)
      this.sentences = session.sentences
      this.newest = session.sentences.length - 1
      this.concepts = [...this.concepts, value.embedding]
      this.trajectory = value.trajectory ? rows(value.trajectory, noema.info.dim) : []
      this.measured = { ...this.measured, speed: (1000 * count) / milliseconds, recalled: recalled.length }
      this.changed()
    }
  }
}

function hasWord(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text)
}
