import { ModelFormatError } from '../errors'

/** A value of the JSON together with its path, so that every complaint names its field. */
export class Field {
  constructor(
    readonly value: unknown,
    readonly path: string,
  ) {}

  wrong(what: string): ModelFormatError {
    return new ModelFormatError(`The model's ${this.path} ${what}.`, { field: this.path })
  }

  object(): Record<string, unknown> {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) throw this.wrong('must be an object')
    return this.value as Record<string, unknown>
  }

  at(key: string): Field {
    const object = this.object()
    return new Field(Object.hasOwn(object, key) ? object[key] : undefined, `${this.path}.${key}`)
  }

  map<T>(parse: (field: Field, key: string) => T): Record<string, T> {
    return Object.fromEntries(Object.keys(this.object()).map((key) => [key, parse(this.at(key), key)]))
  }

  list<T>(parse: (field: Field) => T): T[] {
    if (!Array.isArray(this.value)) throw this.wrong('must be a list')
    return Array.from(this.value, (item, index) => parse(new Field(item, `${this.path}[${index}]`)))
  }

  text(): string {
    if (typeof this.value !== 'string') throw this.wrong('must be a text')
    return this.value
  }

  matching(pattern: RegExp): string {
    const text = this.text()
    if (!pattern.test(text)) throw this.wrong(`must match ${pattern.source}`)
    return text
  }

  number(min: number, max: number): number {
    if (typeof this.value !== 'number' || !(this.value >= min && this.value <= max))
      throw this.wrong(`must be a number from ${min} to ${max}`)
    return this.value
  }

  integer(min: number, max = Number.MAX_SAFE_INTEGER): number {
    if (!Number.isSafeInteger(this.value)) throw this.wrong('must be an integer')
    return this.number(min, max)
  }

  oneOf<const T>(allowed: readonly T[]): T {
    if (!(allowed as readonly unknown[]).includes(this.value))
      throw this.wrong(`must be one of ${allowed.map((item) => JSON.stringify(item)).join(', ')}`)
    return this.value as T
  }

  /** The name of a file that `files` lists. */
  file(files: Record<string, unknown>): string {
    const name = this.text()
    if (!Object.hasOwn(files, name)) throw this.wrong('names a file that is not listed in files')
    return name
  }

  /** What is under the key by its name; without a value there, nothing. */
  optional<K extends string, T>(key: K, parse: (field: Field) => T): Partial<Record<K, T>> {
    const field = this.at(key)
    return field.value === undefined ? {} : ({ [key]: parse(field) } as Record<K, T>)
  }

  optionalNumbers<K extends string>(keys: readonly K[]): Partial<Record<K, number>> {
    return Object.assign({}, ...keys.map((key) => this.optional(key, (field) => field.number(-1e6, 1e6))))
  }
}
