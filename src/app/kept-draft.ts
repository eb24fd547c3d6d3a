/** What was typed and is in no document yet. */
export interface Draft {
  draft: string
  /** FLORES-200 code. */
  draftLanguage: string
}

const key = 'noema.draft'

/** Keeps the draft over a reload of this tab, where the browser lets it. */
export function keepDraft({ draft, draftLanguage }: Draft): void {
  try {
    sessionStorage.setItem(key, JSON.stringify({ draft, draftLanguage }))
  } catch {}
}

/** The draft that was kept, once. */
export function takeDraft(): Draft | null {
  try {
    const { draft, draftLanguage } = JSON.parse(sessionStorage.getItem(key) ?? 'null')
    sessionStorage.removeItem(key)
    return typeof draft === 'string' && typeof draftLanguage === 'string' ? { draft, draftLanguage } : null
  } catch {
    return null
  }
}
