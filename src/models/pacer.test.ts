import { expect, test } from 'vitest'
import { Pacer } from './pacer'

test('starts with one step, then fills a submission with as many as have been seen to fit', () => {
  const pacer = new Pacer()
  expect(pacer.steps(40)).toBe(1)
  pacer.measured(1, 30)
  expect(pacer.steps(40)).toBe(3)
  pacer.measured(3, 3)
  expect(pacer.steps(40)).toBe(40)
  pacer.measured(40, 0)
  expect(pacer.steps(7)).toBe(7)
})

test('goes on step by step where one takes longer than a submission may', () => {
  const pacer = new Pacer()
  pacer.measured(1, 5000)
  expect(pacer.steps(20)).toBe(1)
})
