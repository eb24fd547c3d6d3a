import { chooseLanguage, type InterfaceLanguage, isInterfaceLanguage } from './messages'

export type Theme = 'system' | 'light' | 'dark'

export const themes: readonly Theme[] = ['system', 'light', 'dark']

/** What the visitor chose on an earlier visit, as far as the browser keeps it. */
export const preferences = {
  get theme(): Theme {
    return themes.find((theme) => theme === recall('theme')) ?? 'system'
  },
  set theme(theme: Theme) {
    keep('theme', theme)
  },
  get language(): InterfaceLanguage {
    const chosen = recall('language') ?? ''
    return isInterfaceLanguage(chosen) ? chosen : chooseLanguage(navigator.languages)
  },
  set language(language: InterfaceLanguage) {
    keep('language', language)
  },
  /** The document that was open last. */
  get document(): string | null {
    return recall('document')
  },
  set document(id: string) {
    keep('document', id)
  },
}

/** Forgets them, and whatever else the page keeps outside the library's storage, such as a draft. */
export function forgetPreferences(): void {
  for (const name of ['localStorage', 'sessionStorage'] as const) {
    try {
      const storage = globalThis[name]
      for (const key of Object.keys(storage)) if (key.startsWith('noema.')) storage.removeItem(key)
    } catch {
      // Refused storage holds nothing.
    }
  }
}

function recall(name: string): string | null {
  try {
    return localStorage.getItem(`noema.${name}`)
  } catch {
    return null
  }
}

/** Where storage is refused the choice holds until the tab is closed. */
function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`noema.${name}`, value)
  } catch {}
}
