/**
 * The random numbers behind one concept, from (seed, position of the concept in its document, what they are for): concepts do not share numbers, nor
 * do a concept and its wording, and the same three give the same bits in every browser, since nothing is used whose rounding the platform may choose (Math.log, Math.cos).
 * Generator: sfc32 of C. Doty-Humphrey's PractRand, 2^32 or more numbers before it can repeat.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1
  #spare: number | undefined

  /**
   * @param seed a whole number, 0 … 2^53 − 1
   * @param concept a whole number, 0 … 2^32 − 1
   * @param purpose what the numbers choose: the vector of the concept (default) or its words
   */
  constructor(seed: number, concept: number, purpose: 'vector' | 'text' = 'vector') {
    this.#a = seed >>> 0
    // A seed leaves the upper bits of this word free.
    this.#b = (Math.floor(seed / 2 ** 32) + (purpose === 'text' ? 2 ** 31 : 0)) >>> 0
    this.#c = concept >>> 0
    // Mixes the three words, as PractRand seeds it, so that neighbouring seeds have nothing in common.
    for (let i = 0; i < 18; i++) this.#word()
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(): number {
    return ((this.#word() >>> 5) * 2 ** 26 + (this.#word() >>> 6)) / 2 ** 53
  }

  /** N(0, 1) by Marsaglia's polar method. */
  gaussian(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare
      this.#spare = undefined
      return spare
    }
    for (;;) {
      const x = 2 * this.uniform() - 1
      const y = 2 * this.uniform() - 1
      const square = x * x + y * y
      if (square >= 1 || square === 0) continue
      const scale = Math.sqrt((-2 * portableLog(square)) / square)
      this.#spare = y * scale
      return x * scale
    }
  }

  /** The next `count` numbers of N(0, 1), in f32. */
  gaussians(count: number): Float32Array {
    return Float32Array.from({ length: count }, () => this.gaussian())
  }

  #word(): number {
    const sum = (this.#a + this.#b + this.#counter) >>> 0
    this.#counter = (this.#counter + 1) >>> 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) >>> 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0
    return sum
  }
}

/** ln x for a positive normal x, to about 1e-15 of the value, by basic arithmetic only: x = m·2^e with m in [√½, √2), ln m = 2 artanh((m−1)/(m+1)). */
function portableLog(x: number): number {
  let exponent = 0
  let mantissa = x
  for (; mantissa < Math.SQRT1_2; exponent--) mantissa *= 2
  for (; mantissa >= Math.SQRT2; exponent++) mantissa /= 2
  const s = (mantissa - 1) / (mantissa + 1)
  const square = s * s
  let series = 0
  for (let k = 23; k >= 1; k -= 2) series = series * square + 1 / k
  return 2 * s * series + exponent * Math.LN2
}
