import { expect, test } from '@playwright/test'
import { noema } from './command-line'
import { smallModel } from './sites'

test('the measurement of resuming finds every concept bit-identical to a cold start’s, and computes what is new', async () => {
  // Six visits.
  test.setTimeout(240_000)
  const { exitCode, stdout, stderr } = await noema('bench', 'resume', '--model', smallModel, '--concepts', '4', '--json')
  expect(exitCode, stderr).toBe(0)
  const times = { cold: expect.any(Number), reload: expect.any(Number), append: expect.any(Number), edit: expect.any(Number) }
  expect(JSON.parse(stdout)).toEqual([{ concepts: 4, ...times, decoded: times, computed: [4, 0, 1, 2], identical: true }])
})
