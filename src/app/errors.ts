import { NoemaError } from '../api'
import type { Messages } from './messages'

/** What went wrong, in a sentence that says what to do: in the language of the page where it has one for that error, and in the library's words. */
export function describeError(error: unknown, messages: Messages): string {
  if (error instanceof PageError) return error.message
  const detail = error instanceof Error ? error.message : String(error)
  if (!(error instanceof NoemaError)) return `${messages.somethingWrong} (${detail})`
  const known = messages.errors[error.code]
  return known ? `${known} (${detail})` : detail
}

/** Something that the page itself refuses; the message is already in the language of the page. */
export class PageError extends Error {}
