import { InvalidInput } from '../errors'

/** @throws InvalidInput for anything but a string. */
export function requireText(value: unknown): string {
  if (typeof value !== 'string') throw new InvalidInput(`Text must be a string, not ${value === null ? 'null' : typeof value}.`)
  return value
}
