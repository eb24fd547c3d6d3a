import { expect, test } from 'vitest'
import { chooseDraft, leastFaulty } from './drafts'

const text = ['Mia had a red kite.', '"I am sorry," said Tom.', 'The old dog ran away.']

function kept(drafts: readonly string[], language = 'eng_Latn', before: readonly string[] = text): string {
  return leastFaulty(
    drafts.map((text, index) => ({ text, score: -index })),
    before,
    language,
  )[0]!.text
}

/** A space whose sentences are encoded as the numbers they say; the encoded ones are told. */
function space(dim = 2) {
  const encoded: string[] = []
  const encode = async (sentences: readonly string[]) => {
    encoded.push(...sentences)
    return Float32Array.from(sentences.flatMap((sentence) => sentence.split(' ').map(Number)))
  }
  return { dim, encode, encoded }
}

async function chosen(drafts: Record<string, number>, distanceWeight: number, before: readonly string[] = []) {
  const { encoded, ...rest } = space()
  const all = Object.entries(drafts).map(([text, score]) => ({ text, score }))
  const choice = { text: before, language: 'eng_Latn', distanceWeight, signal: new AbortController().signal }
  return { kept: await chooseDraft(rest, Float32Array.of(3, 4), all, choice), encoded }
}

test('a draft is the better the nearer its concept lies to the predicted one, by the weight of the distance', async () => {
  const drafts = { '0 0': -1, '3 2': -2, '3 4': -5 }
  expect(await chosen(drafts, 0)).toEqual({ kept: '0 0', encoded: [] })
  expect((await chosen(drafts, 0.25)).kept).toBe('0 0')
  expect((await chosen(drafts, 0.5)).kept).toBe('3 2')
  expect((await chosen(drafts, 2)).kept).toBe('3 4')
})

test('only drafts with words and with the fewest faults are read', async () => {
  expect(await chosen({ '3 4': -1, '0 0': -2, '1 1': -3, ' ': -4 }, 2, ['3 4'])).toEqual({ kept: '1 1', encoded: ['0 0', '1 1'] })
  expect(await chosen({ ' ': -1, '0 0': -2 }, 2)).toEqual({ kept: '0 0', encoded: [] })
  expect(await chosen({ '': -1, ' ': -2 }, 2)).toEqual({ kept: '', encoded: [] })
})

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
  for (const again of ['The old dog ran away!', 'Then the old dog ran.', '“I am sorry,” said Mia.'])
    expect(kept([again, 'He smiled.'])).toBe('He smiled.')
  for (const fine of ['The old dog sat there.', 'Mia had one red hat.', 'I am sorry for it.', 'Run away!'])
    expect(kept([fine, 'He smiled.'])).toBe(fine)
})
