import { InvalidInput } from '../errors'

/** @throws InvalidInput unless `value` is an integer in [least, most]. */
export function requireInteger(name: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw new InvalidInput(`${name} must be an integer from ${least} to ${most}, not ${value}.`)
  }
}
