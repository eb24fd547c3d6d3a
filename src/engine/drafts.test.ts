import { expect, test } from 'vitest'
import { chooseDraft } from './drafts'

const text = ['Mia had a red kite.', '"I am sorry," said Tom.', 'The old dog ran away.']

function kept(drafts: readonly string[], language = 'eng_Latn', before: readonly string[] = text): string {
  return chooseDraft(
    drafts.map((text, index) => ({ text, score: -index })),
    before,
    language,
  )
}

test('without a fault the likeliest draft is kept, and where all have it too', () => {
  expect(kept(['They flew it.', 'He sat down.'])).toBe('They flew it.')
  expect(kept(['Then Ben came.', 'Then Leo came.'])).toBe('Then Ben came.')
  expect(kept(['Anything.'], 'eng_Latn', [])).toBe('Anything.')
  expect(kept(['', 'Then Ben came.'])).toBe('Then Ben came.')
  expect(kept(['', ' '])).toBe('')
})

test('a draft with a name that the text does not have comes later, wherever in the sentence it stands', () => {
  for (const strange of ['"Come," said Ben.', 'Mia and Ben ran.', '"No," Ben said.', 'They saw Ben’s dog.', 'Then they met Zoë.'])
    expect(kept([strange, 'They ran.'])).toBe('They ran.')
  for (const fine of [
    '"Come," said Mia.',
    'Ben ran.',
    '"No." Then he sat.',
    'He thought that I was there.',
    'Tom said, "Come here!"',
    '“Yes,” said Tom.',
  ])
    expect(kept([fine, 'They ran.'])).toBe(fine)
})

test('capitals say nothing where nouns have them, and in scripts without them', () => {
  expect(kept(['Der alte Hund lief.', 'Er lief.'], 'deu_Latn')).toBe('Der alte Hund lief.')
  expect(kept(['老狗跑了。', '他跑了。'], 'zho_Hans', ['从前有一只狗。'])).toBe('老狗跑了。')
})

test('a draft that says again what a sentence says comes last', () => {
  expect(kept(['“I am sorry.”', 'Then Ben came.'])).toBe('Then Ben came.')
  for (const again of ['The old dog ran away!', 'Then the old dog ran.', '“I am sorry,” said Mia.', 'I am sorry for it.'])
    expect(kept([again, 'He smiled.'])).toBe('He smiled.')
  for (const fine of ['That old dog sat there.', 'Mia had one red hat.', 'I am so sorry.', 'Run away!'])
    expect(kept([fine, 'He smiled.'])).toBe(fine)
})
