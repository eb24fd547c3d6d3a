import { expect, test } from 'vitest'
import { UnsupportedLanguage } from '../errors'
import { Languages, toBcp47 } from './languages'

test('finds a language by its code and lists what there is for any other', () => {
  const french = { code: 'fra_Latn', name: 'French', token: 8 }
  const languages = new Languages([{ code: 'eng_Latn', name: 'English', token: 7 }, french])
  expect(languages.get('fra_Latn')).toBe(french)
  for (const code of ['fr', 'FRA_Latn', '', '__proto__']) {
    let error: unknown
    try {
      languages.get(code)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(UnsupportedLanguage)
    expect((error as UnsupportedLanguage).details.supported).toBe('eng_Latn, fra_Latn')
  }
})

test.each([
  ['eng_Latn', 'en-Latn'],
  ['fra_Latn', 'fr-Latn'],
  ['deu_Latn', 'de-Latn'],
  ['spa_Latn', 'es-Latn'],
  ['zho_Hans', 'zh-Hans'],
  ['no such code', 'und'],
  ['', 'und'],
])('%j is %s for Intl', (code, tag) => {
  expect(toBcp47(code)).toBe(tag)
})
