/** New text of a sentence that is not saved yet. */
export interface Editing {
  /** Id of the sentence's document. */
  document: string | undefined
  /** Of the sentence, in its document. */
  index: number
  text: string
}

/** What was typed and is in no document yet. */
export interface Draft {
  draft: string
  /** FLORES-200 code. */
  draftLanguage: string
  editing: Editing | null
}

const key = 'noema.draft'

/** Keeps the draft over a reload of this tab, where the browser lets it. */
export function keepDraft({ draft, draftLanguage, editing }: Draft): void {
  try {
    sessionStorage.setItem(key, JSON.stringify({ draft, draftLanguage, editing }))
  } catch {}
}

/** The draft that was kept, once. */
export function takeDraft(): Draft | null {
  try {
    const { draft, draftLanguage, editing } = JSON.parse(sessionStorage.getItem(key) ?? 'null')
    sessionStorage.removeItem(key)
    if (typeof draft !== 'string' || typeof draftLanguage !== 'string') return null
    return { draft, draftLanguage, editing: isEditing(editing) ? editing : null }
  } catch {
    return null
  }
}

function isEditing(kept: Record<keyof Editing, unknown> | null | undefined): kept is Editing {
  return typeof kept?.document === 'string' && Number.isInteger(kept.index) && Number(kept.index) >= 0 && typeof kept.text === 'string'
}
