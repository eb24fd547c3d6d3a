/** Bytes as megabytes (10⁶), as people write them. @param language BCP 47 */
export function bytes(count: number, language: string): string {
  return `${decimal(count / 1e6, language)} MB`
}

/** A number with one decimal place. */
export function decimal(value: number, language: string): string {
  return value.toLocaleString(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 })
}
