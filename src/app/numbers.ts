/** Bytes as megabytes (10⁶), as people write them. @param language BCP 47 */
export function bytes(count: number, language: string): string {
  return `${decimal(count / 1e6, language)} MB`
}

/** A number with one decimal place. */
export function decimal(value: number, language: string): string {
  return value.toLocaleString(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 })
}

/** A share, 0 to 1, as people write hundredths. @param language BCP 47 */
export function percent(share: number, language: string): string {
  return share.toLocaleString(language, { style: 'percent' })
}

/** The rows of a matrix [n, width], row-major. */
export function rows(matrix: Float32Array, width: number): Float32Array[] {
  return Array.from({ length: matrix.length / width }, (_, i) => matrix.subarray(i * width, (i + 1) * width))
}

/** A cosine, with two decimal places. @param language BCP 47 */
export function likeness(cosine: number, language: string): string {
  return cosine.toLocaleString(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 })
}
