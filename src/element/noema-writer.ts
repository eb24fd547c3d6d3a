import { html, nothing, type PropertyDeclarations, type TemplateResult } from 'lit'
import { Aborted, type Concept, type ContinueOptions, type ContinueResult, WorkerFailed } from '../api'
import { tell, type WriterDone } from './events'
import { type Messages, messagesFor } from './messages'
import { ModelField } from './model-field'
import { style } from './style'

/** Settings of `Noema.continue` that have no attribute of their own. */
export type WriterSettings = Omit<ContinueOptions, 'signal' | 'language' | 'to' | 'concepts' | 'seed' | 'conceptModel'>

type Outcome = WriterDone['stop'] | 'required'

/** One use of `Continue`. */
interface Run {
  readonly controller: AbortController
  /** Sentences so far, of those asked for. */
  written: number
  readonly concepts: number
}

/**
 * A text field that a model writes on in: `<noema-writer model="mini" language="eng_Latn"></noema-writer>`.
 *
 * The model is loaded at the first use of `Continue` or by `load()`, once for all elements of a page that name it and its backend, and ends with the last of them.
 */
export class NoemaWriter extends ModelField {
  static override styles = style
  static override properties: PropertyDeclarations = {
    language: { useDefault: true },
    to: {},
    concepts: { type: Number, useDefault: true },
    seed: { type: Number, useDefault: true },
    conceptModel: { attribute: 'concept-model' },
    settings: { attribute: false },
  }

  /** FLORES-200 code of the text. Default `eng_Latn`. */
  declare language: string
  /** FLORES-200 code of the new sentences. Default: `language`. */
  declare to: string | null
  /** How many sentences to write at most, from 1. Default 3. */
  declare concepts: number
  /** Seed of every random choice, an integer. Default 0. */
  declare seed: number
  /** One of the model's concept models. Default: the model's. */
  declare conceptModel: string | null
  /** Everything else that `Noema.continue` takes, for the concept model that is used. Default: nothing. */
  declare settings: WriterSettings

  #run: Run | null = null
  /** What is said about the last use, when there is something to say. */
  #outcome: Outcome | null = null
  #error: unknown = null
  #latest = ''

  constructor() {
    super()
    this.language = 'eng_Latn'
    this.to = null
    this.concepts = 3
    this.seed = 0
    this.conceptModel = null
    this.settings = {}
  }

  /** Whether it is writing, or waiting for its model to write. */
  get isWriting(): boolean {
    return this.#run !== null
  }

  /** Writes on; resolves when it has ended. What goes wrong is shown, and told by `noema-error`. */
  async continue(): Promise<void> {
    this.leaveOther()
    if (this.#run || this.isDisabled || this.readOnly) return
    if (this.value.trim() === '') return this.#show('required')
    const run: Run = { controller: new AbortController(), written: 0, concepts: this.concepts }
    this.#run = run
    this.#show(null)
    try {
      this.#finish(run, await this.#write(run))
    } catch (error) {
      if (run.controller.signal.aborted && error instanceof Aborted) return this.#finish(run, 'stopped')
      this.#run = null
      if (error instanceof WorkerFailed) this.discardEngine()
      this.fail(error)
    }
  }

  /** Ends writing; the sentences written so far stay. */
  stop(): void {
    this.#run?.controller.abort(new Aborted('Writing was stopped.'))
  }

  override formResetCallback(): void {
    this.stop()
    super.formResetCallback()
    this.#show(null)
  }

  protected override updated(): void {
    super.updated()
    if (this.isWriting && this.field) this.field.scrollTop = this.field.scrollHeight
  }

  override render(): TemplateResult {
    const { messages, language } = messagesFor(this)
    const { isWriting, isDisabled } = this
    const cannotContinue = isWriting || this.readOnly
    return html`
      <div class=${isWriting ? 'box writing' : 'box'} part="box" lang=${language} @keydown=${this.#onKey}>
        <slot name="label" @slotchange=${() => this.requestUpdate()} @click=${() => this.field?.focus()}></slot>
        <textarea
          part="text"
          aria-label=${this.#label(messages)}
          lang=${languageTag(this.language)}
          placeholder=${this.placeholder ?? messages.placeholder}
          .value=${this.value}
          ?disabled=${isDisabled}
          ?readonly=${this.readOnly || isWriting}
          aria-required=${this.required}
          aria-invalid=${this.#outcome === 'required'}
          @focus=${() => this.requestUpdate()}
          @input=${this.#onInput}
          @change=${() => this.dispatchEvent(new Event('change', { bubbles: true }))}
        ></textarea>
        ${this.#progressBar(messages, language)}
        <div class="row" part="controls">
          <button
            class="continue"
            part="button continue"
            type="button"
            ?disabled=${isDisabled}
            aria-disabled=${cannotContinue}
            aria-keyshortcuts="Control+Enter Meta+Enter"
            @click=${this.continue}
          ><slot name="continue">${messages.continue}</slot></button>
          <button
            part="button stop"
            type="button"
            ?disabled=${isDisabled}
            aria-disabled=${!isWriting}
            aria-keyshortcuts="Escape"
            @click=${this.stop}
          ><slot name="stop">${messages.stop}</slot></button>
          <p part="status" role="status">${this.#status(messages)}</p>
        </div>
        <p class="error" part="error" role="alert">${this.#error === null ? nothing : this.#errorText(messages)}</p>
        <div role="log" lang=${languageTag(this.to ?? this.language)}>${this.#latest}</div>
      </div>
    `
  }

  protected get field(): HTMLTextAreaElement | null {
    return this.renderRoot?.querySelector('textarea') ?? null
  }

  protected get requiredMessage(): string {
    return messagesFor(this).messages.required
  }

  async #write(run: Run): Promise<ContinueResult['stop']> {
    const { signal } = run.controller
    const noema = await Promise.race([this.load(), rejectWhenAborted(signal)])
    const { language, to, concepts, seed, conceptModel, settings } = this
    const generation = noema.continue(this.value, {
      ...settings,
      language,
      to: to ?? language,
      concepts,
      seed,
      signal,
      ...(conceptModel !== null && { conceptModel }),
    })
    for (;;) {
      const { value, done } = await generation.next()
      if (signal.aborted) throw signal.reason
      if (done) return value.stop
      this.#append(value, run)
    }
  }

  #append(concept: Concept, run: Run): void {
    run.written++
    if (concept.text !== '') {
      this.value += (/\S$/.test(this.value) ? ' ' : '') + concept.text
      this.#latest = concept.text
      this.dispatchEvent(new Event('input', { bubbles: true, composed: true }))
    }
    tell(this, 'noema-concept', concept)
  }

  #finish(run: Run, stop: WriterDone['stop']): void {
    this.#run = null
    this.#show(stop)
    if (run.written > 0) this.dispatchEvent(new Event('change', { bubbles: true }))
    tell(this, 'noema-done', { stop, written: run.written })
  }

  protected fail(error: unknown): void {
    if (this.#error !== error) {
      this.#error = error
      tell(this, 'noema-error', error)
    }
    this.requestUpdate()
  }

  #show(outcome: Outcome | null): void {
    this.#outcome = outcome
    this.#error = null
    this.requestUpdate()
  }

  #onInput(): void {
    this.value = this.field?.value ?? ''
    if (this.#outcome) this.#show(null)
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void this.continue()
    else if (event.key === 'Escape' && this.isWriting) this.stop()
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  /** What the field is called: as the page says, in this order, else in the words of the element. */
  #label(messages: Messages): string {
    const slot = this.renderRoot.querySelector<HTMLSlotElement>('slot[name=label]')
    const texts = [this.ariaLabel, textOf(this.labels), textOf(slot?.assignedNodes() ?? [])]
    return texts.find((text) => text?.trim()) ?? messages.label
  }

  #progressBar(messages: Messages, language: string) {
    const progress = this.progress
    if (!progress) return nothing
    if (progress === 'starting') return html`<progress part="progress" aria-label=${messages.loading} value="0"></progress>`
    const { stage, loaded, total } = progress
    const percent = new Intl.NumberFormat(language, { style: 'percent' }).format(loaded / (total || 1))
    return html`
      <progress part="progress" aria-label=${messages.loading} .max=${total || 1} .value=${loaded}></progress>
      <p part="progress-text">${messages[stage](percent)}</p>
    `
  }

  #status(messages: Messages): string {
    if (this.progress) return messages.loading
    if (this.#run) return messages.writing(Math.min(this.#run.written + 1, this.#run.concepts), this.#run.concepts)
    return this.#outcome ? messages[this.#outcome] : ''
  }

  /** The library's own words are English. */
  #errorText(messages: Messages) {
    return html`${messages.wrong} <span lang="en">${this.#error instanceof Error ? this.#error.message : String(this.#error)}</span>`
  }
}

function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}

function textOf(nodes: Iterable<Node> | ArrayLike<Node>): string {
  return Array.from(nodes, ({ textContent }) => textContent ?? '').join(' ')
}

/** `spa_Latn` → `es`; empty, which means unknown, for what is no language code. */
function languageTag(code: string): string {
  try {
    return Intl.getCanonicalLocales(code.slice(0, 3))[0] ?? ''
  } catch {
    return ''
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'noema-writer': NoemaWriter
  }
}
