import { InvalidInput } from '../errors'

/** A case asks for something this runner does not know: it is reported as not covered. */
export class NotCovered extends Error {}

/** A value of a conformance file with its path. null counts as absent. Every method throws `InvalidInput` naming the field when it is malformed. */
export class CaseField {
  readonly value: unknown
  readonly path: string

  constructor(value: unknown, path: string) {
    this.value = value ?? undefined
    this.path = path
  }

  get given(): boolean {
    return this.value !== undefined
  }

  at(key: string): CaseField {
    const object = this.#object()
    return new CaseField(Object.hasOwn(object, key) ? object[key] : undefined, this.path ? `${this.path}.${key}` : key)
  }

  keys(): string[] {
    return Object.keys(this.#object())
  }

  /** @throws NotCovered for a key that is not among `known`. An absent object has no keys. */
  only(known: readonly string[]): CaseField {
    const unknown = this.given ? this.keys().find((key) => !known.includes(key)) : undefined
    if (unknown !== undefined) throw new NotCovered(`The field ${this.at(unknown).path} is not known.`)
    return this.given ? this : new CaseField({}, this.path)
  }

  integer(minimum: number, maximum: number, absent?: number): number {
    const value = this.number(minimum, maximum, absent)
    if (!Number.isInteger(value)) throw this.wrong('must be a whole number')
    return value
  }

  number(minimum: number, maximum: number, absent?: number): number {
    const value = this.value ?? absent
    if (typeof value !== 'number' || !(value >= minimum && value <= maximum))
      throw this.wrong(`must be a number from ${minimum} to ${maximum}`)
    return value
  }

  boolean(absent?: boolean): boolean {
    const value = this.value ?? absent
    if (typeof value !== 'boolean') throw this.wrong('must be true or false')
    return value
  }

  text(absent?: string): string {
    const value = this.value ?? absent
    if (typeof value !== 'string') throw this.wrong('must be a text')
    return value
  }

  /** One of the names given; another name throws `NotCovered`. */
  oneOf<const Name extends string>(names: readonly Name[], absent: Name): Name {
    const text = this.text(absent)
    const name = names.find((candidate) => candidate === text)
    if (name === undefined) throw this.notCovered()
    return name
  }

  list(): CaseField[] {
    if (!Array.isArray(this.value)) throw this.wrong('must be a list')
    return this.value.map((item, i) => new CaseField(item, `${this.path}[${i}]`))
  }

  integers(minimum: number, maximum: number): number[] {
    return this.list().map((field) => field.integer(minimum, maximum))
  }

  /** The numbers of a list, of lists of lists as well, in order. */
  numbers(): number[] {
    if (!Array.isArray(this.value)) throw this.wrong('must be a list of numbers')
    const numbers: unknown[] = this.value.flat(8)
    if (!numbers.every((value) => typeof value === 'number')) throw this.wrong('must have nothing but numbers')
    return numbers
  }

  /** The field is known, its value is not. */
  notCovered(): NotCovered {
    return new NotCovered(`The value ${JSON.stringify(this.value)} of ${this.path} is not covered.`)
  }

  wrong(what: string): InvalidInput {
    return new InvalidInput(`In the conformance file, ${this.path || 'the file'} ${what}.`, { field: this.path })
  }

  #object(): Record<string, unknown> {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) throw this.wrong('must be an object')
    return this.value as Record<string, unknown>
  }
}
