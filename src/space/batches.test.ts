import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { batches } from './batches'

test('every index is in one group, groups share a length and keep to the budget', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 })), fc.integer({ min: 1, max: 100 }), (lengths, budget) => {
      const groups = batches(lengths, budget)
      expect(groups.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, index) => index))
      for (const group of groups) {
        expect(new Set(group.map((index) => lengths[index])).size).toBe(1)
        expect(group.length === 1 || group.length * lengths[group[0]!]! <= budget).toBe(true)
      }
    }),
  )
})

test('equal lengths share a group', () => {
  expect(batches([3, 5, 3, 5, 3], 100)).toEqual([
    [0, 2, 4],
    [1, 3],
  ])
})
