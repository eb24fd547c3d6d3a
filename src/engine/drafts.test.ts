import { expect, test } from 'vitest'
import cases from './draft-cases.json'
import { chooseDraft } from './drafts'

// The same cases hold `training/noema_training/drafts.py` to the same choice (`training/tests/test_drafts.py`).
test.each(cases)('$because: of $drafts', ({ drafts, text, language, kept }) => {
  const scored = drafts.map((draft, index) => ({ text: draft, score: -index }))
  expect(chooseDraft(scored, text, language ?? 'eng_Latn')).toBe(kept)
})
