import { html, nothing } from 'lit'
import { classMap } from 'lit/directives/class-map.js'
import { repeat } from 'lit/directives/repeat.js'
import type { DocumentSentence } from '../api'
import { controls } from './controls'
import { shortLanguage } from './messages'
import { rove } from './roving'
import './sentence-tools'
import { textStyle } from './text-style'
import { titleOf } from './titles'
import { WorkspaceElement } from './workspace-element'

/** Sentences that are shown at first and by each wish for more: a long text does not slow the page down. */
const windowSize = 200

/** The text as sentences: each can be pointed at, opened, and read in a second language. */
class TextView extends WorkspaceElement {
  static override properties = {
    ...WorkspaceElement.properties,
    opened: { state: true },
    reachable: { state: true },
    shown: { state: true },
  }
  /** Index of the sentence whose tools are open. */
  declare opened: number | null
  /** Index of the sentence that the Tab key leads to. */
  declare reachable: number
  /** How many of the last sentences are shown. */
  declare shown: number
  #document: string | undefined
  #length = 0
  readonly #resize = new ResizeObserver((entries) => {
    this.#placeTools()
    for (const { target } of entries) if (target !== this.find('ol')) target.scrollIntoView({ block: 'nearest' })
  })

  static override styles = [controls, textStyle]

  constructor() {
    super()
    this.opened = null
    this.reachable = 0
    this.shown = windowSize
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.#resize.disconnect()
  }

  override willUpdate(): void {
    const { session, sentences, wanted, edited } = this.workspace
    if (session?.id !== this.#document) {
      this.#document = session?.id
      this.opened = null
      this.reachable = 0
      this.shown = windowSize
    }
    if (wanted !== null && wanted < sentences.length) {
      this.opened = null
      this.reachable = wanted
      this.shown = Math.max(this.shown, sentences.length - wanted)
    }
    if (edited !== null) {
      this.opened = edited
      this.shown = Math.max(this.shown, sentences.length - edited)
    }
    if (this.opened !== null && this.opened >= sentences.length) this.opened = null
    this.reachable = Math.max(this.#first, Math.min(this.reachable, sentences.length - 1))
  }

  override render() {
    const { messages, workspace } = this
    const { sentences, readings, isRunning, outcome } = workspace
    const first = this.#first
    const isParallel = readings.language !== null
    return html`
      <section aria-label=${messages.text}>
        <header>
          <h2>${titleOf(workspace.session?.title, sentences[0]?.text, messages)}</h2>
          ${this.#readBeside()} ${this.#saveReading()}
        </header>
        ${first === 0 ? nothing : html`<button type="button" @click=${this.#showEarlier}>${messages.showEarlier}</button>`}
        <ol role="list" class=${isParallel ? 'parallel' : 'prose'} start=${first + 1} @keydown=${this.#onKey}>
          ${repeat(
            sentences.slice(first),
            (_, i) => first + i,
            (sentence, i) => this.#sentence(sentence, first + i),
          )}
          ${isRunning && outcome === null ? html`<li class="thinking" aria-hidden="true"><i></i><i></i><i></i></li>` : nothing}
        </ol>
      </section>
    `
  }

  override firstUpdated(): void {
    const list = this.find('ol')
    if (list) this.#resize.observe(list)
  }

  override updated(): void {
    this.#placeTools()
    const { sentences, newest, wanted } = this.workspace
    if (newest !== null && sentences.length > this.#length) this.find('ol')?.lastElementChild?.scrollIntoView({ block: 'nearest' })
    this.#length = sentences.length
    if (wanted === null || wanted >= sentences.length) return
    this.workspace.wanted = null
    this.#focus(wanted)
  }

  get #first(): number {
    return Math.max(0, this.workspace.sentences.length - this.shown)
  }

  #readBeside() {
    const { messages, workspace } = this
    const { language } = workspace.readings
    const choose = ({ target }: Event) => workspace.readBeside((target as HTMLSelectElement).value || null)
    return html`
      <label class="quiet">
        ${messages.readBeside}
        <select @change=${choose} ?disabled=${!workspace.noema}>
          <option value="" ?selected=${language === null}>${messages.notBeside}</option>
          ${workspace.noema?.info.languages.map(
            ({ code }) => html`<option value=${code} ?selected=${code === language}>${this.languageName(code)}</option>`,
          )}
        </select>
      </label>
    `
  }

  #saveReading() {
    const { messages, workspace } = this
    const { session, isRunning } = workspace
    const { language } = workspace.readings
    if (language === null) return nothing
    const name = this.languageName(language)
    const title = session?.title ? `${session.title} (${name})`.slice(0, 200) : ''
    return html`
      <button type="button" class="save" aria-disabled=${isRunning} @click=${() => workspace.saveReading(language, title)}>
        ${messages.saveReading(name)}
      </button>
    `
  }

  #sentence(sentence: DocumentSentence, index: number) {
    const { messages, workspace, opened } = this
    const { text, language, generated } = sentence
    const isOpen = opened === index
    const { length: recalled } = workspace.remembered.originsOf(workspace.session?.id, text)
    const said = messages.sentence(index + 1, text || messages.wordless, generated)
    const point = (to: number | null) => () => workspace.set({ highlighted: to })
    const classes = { generated, open: isOpen, highlighted: workspace.highlighted === index, newest: workspace.newest === index }
    return html`
      <li class=${classMap(classes)}>
        <span class="number" aria-hidden="true">${index + 1}</span
        ><span
          class="sentence"
          role="button"
          data-index=${index}
          data-recalled=${recalled || nothing}
          title=${recalled > 0 ? messages.recalledCount(recalled) : nothing}
          tabindex=${index === this.reachable ? 0 : -1}
          lang=${shortLanguage(language)}
          aria-label=${recalled > 0 ? `${said} ${messages.recalledCount(recalled)}` : said}
          aria-expanded=${isOpen}
          @click=${() => this.#open(isOpen ? null : index)}
          @pointerenter=${point(index)}
          @pointerleave=${point(null)}
          @focus=${point(index)}
          @blur=${point(null)}
          >${text || messages.wordless}</span
        >
        ${this.#reading(sentence)}
        ${
          isOpen
            ? html`<sentence-tools .workspace=${workspace} .index=${index} @close=${({ detail }: CustomEvent<number>) => this.#close(detail)}></sentence-tools>`
            : nothing
        }
      </li>
    `
  }

  #reading(sentence: DocumentSentence) {
    const { readings } = this.workspace
    if (readings.language === null) return nothing
    const text = readings.textOf(sentence)
    const classes = { reading: true, pending: text === undefined }
    return html`<span class=${classMap(classes)} lang=${shortLanguage(readings.language)}>${text ?? '…'}</span>`
  }

  #open(index: number | null): void {
    if (this.workspace.edited !== null) this.workspace.set({ editing: null })
    this.opened = index
    if (index !== null) this.reachable = index
  }

  async #close(index: number): Promise<void> {
    this.#open(null)
    await this.updateComplete
    this.#focus(index)
  }

  #focus(index: number): void {
    this.find(`[data-index="${index}"]`)?.focus()
  }

  #showEarlier(): void {
    this.shown += windowSize
  }

  async #onKey(event: KeyboardEvent): Promise<void> {
    const target = event.target as HTMLElement
    if (target.dataset.index === undefined) return
    const index = Number(target.dataset.index)
    if (event.key === 'Enter' || event.key === ' ') {
      if (event.ctrlKey || event.metaKey) return
      event.preventDefault()
      return this.#open(this.opened === index ? null : index)
    }
    if (event.key === 'Escape' && this.opened !== null) {
      event.preventDefault()
      return this.#close(index)
    }
    const next = rove(event.key, index - this.#first, this.workspace.sentences.length - this.#first)
    if (next === undefined) return
    event.preventDefault()
    this.reachable = this.#first + next
    await this.updateComplete
    this.#focus(this.reachable)
  }

  /** Under the last line of the open sentence. */
  #placeTools(): void {
    const tools = this.find('sentence-tools')
    const list = this.find('ol')
    const line = Array.from(this.find('.open .sentence')?.getClientRects() ?? []).at(-1)
    if (!tools || !list || !line) return
    this.#resize.observe(tools)
    const box = list.getBoundingClientRect()
    const left = Math.max(0, Math.min(line.left - box.left, box.width - tools.offsetWidth))
    tools.style.top = `${line.bottom - box.top + 4}px`
    tools.style.left = `${left}px`
  }
}

customElements.define('text-view', TextView)
