import { LitElement, type PropertyDeclarations } from 'lit'

/** An element that takes part in forms as a text field does: value, validity, reset, restored state, disabled fieldsets, labels. */
export abstract class FormField extends LitElement {
  static readonly formAssociated = true
  static override shadowRootOptions: ShadowRootInit = { ...LitElement.shadowRootOptions, delegatesFocus: true }
  static override properties: PropertyDeclarations = {
    value: { attribute: false, noAccessor: true },
    name: { reflect: true },
    placeholder: {},
    disabled: { type: Boolean, reflect: true },
    readOnly: { type: Boolean, reflect: true, attribute: 'readonly' },
    required: { type: Boolean, reflect: true },
  }
  static override get observedAttributes(): string[] {
    // biome-ignore lint/complexity/noThisInStatic: Lit reads the properties of the class that is asked
    return [...super.observedAttributes, 'value']
  }

  /** The key of the value in a form's data; without it the value is not sent. */
  declare name: string | null
  declare placeholder: string | null
  declare disabled: boolean
  declare readOnly: boolean
  declare required: boolean

  readonly #internals = this.attachInternals()
  #value = ''
  /** Whether the value is no longer that of the attribute. */
  #isDirty = false
  #isInDisabledForm = false

  constructor() {
    super()
    this.name = null
    this.placeholder = null
    this.disabled = false
    this.readOnly = false
    this.required = false
    this.#internals.role = 'group'
    // A click on a label arrives as a click on the element itself.
    this.addEventListener('click', (event) => {
      if (event.composedPath()[0] === this) this.field?.focus()
    })
  }

  /** The text. The attribute of this name is what it begins with and what a reset returns to. */
  get value(): string {
    return this.#value
  }

  set value(text: string) {
    this.#isDirty = true
    this.#set(text)
  }

  get form(): HTMLFormElement | null {
    return this.#internals.form
  }

  get labels(): NodeList {
    return this.#internals.labels
  }

  get willValidate(): boolean {
    return this.#internals.willValidate
  }

  get validity(): ValidityState {
    return this.#internals.validity
  }

  get validationMessage(): string {
    return this.#internals.validationMessage
  }

  checkValidity(): boolean {
    return this.#internals.checkValidity()
  }

  reportValidity(): boolean {
    return this.#internals.reportValidity()
  }

  override attributeChangedCallback(name: string, old: string | null, value: string | null): void {
    super.attributeChangedCallback(name, old, value)
    if (name === 'value' && !this.#isDirty) this.#set(value ?? '')
  }

  formDisabledCallback(isDisabled: boolean): void {
    this.#isInDisabledForm = isDisabled
    this.requestUpdate()
  }

  formResetCallback(): void {
    this.#isDirty = false
    this.#set(this.getAttribute('value') ?? '')
  }

  /** After going back in the history, or by autofill. */
  formStateRestoreCallback(state: unknown): void {
    if (typeof state === 'string') this.value = state
  }

  protected override updated(): void {
    this.#validate()
  }

  /** By its own attribute or by a fieldset around it. */
  protected get isDisabled(): boolean {
    return this.disabled || this.#isInDisabledForm
  }

  /** What the visitor writes in; null before the first rendering. */
  protected abstract get field(): HTMLTextAreaElement | null

  /** Said when a value is required and there is none. */
  protected abstract get requiredMessage(): string

  #set(text: string): void {
    const old = this.#value
    this.#value = String(text)
    this.#internals.setFormValue(this.#value)
    this.#validate()
    this.requestUpdate('value', old)
  }

  #validate(): void {
    if (this.required && this.#value === '')
      this.#internals.setValidity({ valueMissing: true }, this.requiredMessage, this.field ?? undefined)
    else this.#internals.setValidity({})
  }
}
