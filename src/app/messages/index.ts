import { english, type Messages } from './english'
import { french } from './french'
import { german } from './german'
import { spanish } from './spanish'

export type { Messages } from './english'

/** The languages of the page, by their BCP 47 codes. */
export const interfaceLanguages = { en: english, fr: french, de: german, es: spanish } satisfies Record<string, Messages>

export type InterfaceLanguage = keyof typeof interfaceLanguages

export function isInterfaceLanguage(code: string): code is InterfaceLanguage {
  return Object.hasOwn(interfaceLanguages, code)
}

/** The first of the wanted languages that the page speaks; English where it speaks none. @param wanted BCP 47 codes, best first. */
export function chooseLanguage(wanted: readonly string[]): InterfaceLanguage {
  return wanted.map((code) => code.slice(0, 2).toLowerCase()).find(isInterfaceLanguage) ?? 'en'
}

/** The page's languages as models know them, by FLORES-200 code. */
export const floresCodes: Record<InterfaceLanguage, string> = { en: 'eng_Latn', fr: 'fra_Latn', de: 'deu_Latn', es: 'spa_Latn' }

/** `eng_Latn` → `en`: what `lang` attributes and the page's own languages are named by. */
export function shortLanguage(code: string): string {
  return Intl.getCanonicalLocales(code.slice(0, 3))[0] ?? code
}

/** A language's name in the language of the page. @param code FLORES-200 or BCP 47. */
export function languageName(code: string, shownIn: InterfaceLanguage): string {
  const short = code.length > 3 ? shortLanguage(code) : code
  return new Intl.DisplayNames([shownIn], { type: 'language' }).of(short) ?? code
}
