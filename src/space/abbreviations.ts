/** Lower-case abbreviations without their last dot, and where that dot does not end a sentence. */
export type Abbreviations = ReadonlyMap<string, 'always' | 'before a number'>

/**
 * Abbreviations by language whose dot does not end a sentence although an upper-case word or a number follows. What often ends a sentence
 * too (etc., usw., Inc.) is left out on purpose: before a lower-case word no list is needed.
 */
const byLanguage: Readonly<Record<string, { always: string; beforeNumber: string }>> = {
  en: {
    always: 'mr mrs ms dr prof st mt gen col capt lt sgt maj cmdr rev fr hon pres gov sen rep messrs mme mlle vs e.g i.e cf',
    beforeNumber: 'no nos vol fig p pp ch sec art jan feb mar apr jun jul aug sept sep oct nov dec ca approx',
  },
  fr: {
    always: 'm mm mr mme mmes mlle mlles dr pr st ste mgr vs cf p.ex av c.-à-d',
    beforeNumber: 'no nos n vol fig p pp chap art janv févr juil sept oct nov déc env',
  },
  de: {
    always: 'hr hrn fr frl dr prof dipl ing st bzw z d u i o z.b d.h u.a i.d i.d.r o.ä v.a s.o s.u vgl evtl ggf inkl exkl sog bspw',
    beforeNumber: 'nr str s abb bd kap jan feb mär apr jun jul aug sept okt nov dez tel abs art ca',
  },
  es: {
    always: 'sr sra sres sras srta d dª dña dr dra prof profa lic gral cap cnel sto sta ud uds vd vds p.ej ej av avda',
    beforeNumber: 'núm nº vol fig pág págs p pp art tel aprox',
  },
}

const none: Abbreviations = new Map()
const maps = new Map(
  Object.entries(byLanguage).map(([language, { always, beforeNumber }]): [string, Abbreviations] => [
    language,
    new Map([
      ...beforeNumber.split(' ').map((word) => [word, 'before a number'] as const),
      ...always.split(' ').map((word) => [word, 'always'] as const),
    ]),
  ]),
)

/** @param tag BCP 47 tag; a language that is not listed has none. */
export function abbreviations(tag: string): Abbreviations {
  return maps.get(tag.split('-')[0]!) ?? none
}
