/** Values pushed at one end, awaited one by one at the other; ends with `close` or with an error. */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #values: T[] = []
  #end: { error?: unknown } | undefined
  #wake: () => void = () => undefined

  push(value: T): void {
    this.#values.push(value)
    this.#wake()
  }

  close(): void {
    this.#end ??= {}
    this.#wake()
  }

  fail(error: unknown): void {
    this.#end ??= { error }
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for (;;) {
      while (this.#values.length > 0) yield this.#values.shift() as T
      if (this.#end) {
        if ('error' in this.#end) throw this.#end.error
        return
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
