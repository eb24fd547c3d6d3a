import { UnsupportedLanguage } from '../errors'
import type { LanguageManifest } from '../formats/manifest'

/** The languages of one space, by FLORES-200 code such as `eng_Latn`. */
export class Languages {
  readonly all: readonly LanguageManifest[]

  constructor(all: readonly LanguageManifest[]) {
    this.all = all
  }

  /** @throws UnsupportedLanguage listing the codes there are, when `code` is not one of them. */
  get(code: string): LanguageManifest {
    const language = this.all.find((candidate) => candidate.code === code)
    if (language) return language
    const supported = this.all.map((candidate) => candidate.code).join(', ')
    throw new UnsupportedLanguage(`"${code}" is not a language of this model. Use one of ${supported}.`, { language: code, supported })
  }
}

/** The BCP 47 tag of a FLORES-200 code, for `Intl`: `fra_Latn` → `fr-Latn`. Codes no tag exists for give `und`. */
export function toBcp47(code: string): string {
  try {
    return Intl.getCanonicalLocales(code.replace('_', '-'))[0] ?? 'und'
  } catch {
    return 'und'
  }
}
