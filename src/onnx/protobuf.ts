const utf8 = new TextEncoder()

/**
 * A Protocol Buffers message being written (https://protobuf.dev/programming-guides/encoding), as far as ONNX needs it. The usual library makes
 * code from text (`eval`) when it is loaded, which the pages this runs in forbid.
 */
export class Message {
  readonly #parts: Uint8Array[] = []

  /** @param value a whole number, 0 … 2^53 − 1 */
  integer(field: number, value: number): this {
    return this.#write(varint(field * 8), varint(value))
  }

  text(field: number, value: string): this {
    return this.bytes(field, utf8.encode(value))
  }

  message(field: number, value: Message): this {
    return this.bytes(field, value.finish())
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#write(varint(field * 8 + 2), varint(value.length), value)
  }

  finish(): Uint8Array {
    const whole = new Uint8Array(this.#parts.reduce((length, part) => length + part.length, 0))
    let offset = 0
    for (const part of this.#parts) {
      whole.set(part, offset)
      offset += part.length
    }
    return whole
  }

  #write(...parts: Uint8Array[]): this {
    this.#parts.push(...parts)
    return this
  }
}

/** Seven bits a byte, the lowest first; the eighth says that another follows. */
function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Uint8Array.of(...bytes, rest)
}
