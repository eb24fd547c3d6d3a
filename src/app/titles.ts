import type { Messages } from './messages'

const longest = 48

/** What a document is called: its own title, else the beginning of its first sentence. */
export function titleOf(title: string | undefined, beginning: string | undefined, messages: Messages): string {
  if (title) return title
  if (!beginning) return messages.untitled
  if (beginning.length <= longest) return beginning
  return `${beginning.slice(0, longest).replace(/\s+\S*$/, '')}…`
}
