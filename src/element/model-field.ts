import type { PropertyDeclarations } from 'lit'
import type { Backend, ModelInfo, Noema, Progress } from '../api'
import { acquire, type Lease } from './engines'
import { tell } from './events'
import { FormField } from './form-field'

/** A form field with a model, which it shares with the other elements of the page that name it and its backend. */
export abstract class ModelField extends FormField {
  static override properties: PropertyDeclarations = { model: { useDefault: true }, backend: { useDefault: true } }

  /** Name or URL of a model folder. Default `mini`. */
  declare model: string
  /** What predicts concepts: `webgpu`, `wasm` (the processor), or `auto` (default): WebGPU where there is an adapter, else wasm. */
  declare backend: Backend

  /** How far the load is; null when there is none. */
  protected progress: Progress | 'starting' | null = null
  #lease: Lease | null = null
  /** What the lease is for. */
  #leased = ''

  constructor() {
    super()
    this.model = 'mini'
    this.backend = 'auto'
  }

  /** Loads the model before it is needed. @throws as `load` of the library does; Aborted when the element leaves the page meanwhile. */
  async load(): Promise<Noema> {
    this.leaveOther()
    if (!this.#lease) {
      const lease = acquire(this.model, this.backend, (progress) => this.#showProgress(progress))
      this.#lease = lease
      this.#leased = this.#named
      this.progress ??= 'starting'
      this.requestUpdate()
      lease.noema.then(
        ({ info }) => this.#finishLoad(lease, info),
        (error) => this.#failLoad(lease, error),
      )
    }
    return this.#lease.noema
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    // An element that is only moved within the page keeps what it has.
    queueMicrotask(() => {
      if (!this.isConnected) this.#leave()
    })
  }

  protected override willUpdate(): void {
    this.leaveOther()
  }

  /** Ends what runs on another model or backend than those named now. */
  protected leaveOther(): void {
    if (this.#lease && this.#leased !== this.#named) this.#leave()
  }

  /** Ends what runs on the model. */
  abstract stop(): void

  /** Shows and tells what went wrong; once for each error. */
  protected abstract fail(error: unknown): void

  /** The engine has died: the next use starts another. */
  protected discardEngine(): void {
    this.#lease?.discard()
    this.#lease = null
  }

  get #named(): string {
    return `${this.backend} ${this.model}`
  }

  #leave(): void {
    this.stop()
    this.#release()
  }

  #release(): void {
    this.#lease?.release()
    this.#lease = null
    this.progress = null
    this.requestUpdate()
  }

  #showProgress(progress: Progress): void {
    this.progress = progress
    this.requestUpdate()
    tell(this, 'noema-progress', progress)
  }

  #finishLoad(lease: Lease, info: ModelInfo): void {
    if (this.#lease !== lease) return
    this.progress = null
    this.requestUpdate()
    tell(this, 'noema-ready', info)
  }

  #failLoad(lease: Lease, error: unknown): void {
    if (this.#lease !== lease) return
    this.#release()
    this.fail(error)
  }
}
