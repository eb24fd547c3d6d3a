/**
 * Indices grouped by equal length, each group of at most `budget` elements in all (or one item).
 */
export function batches(lengths: readonly number[], budget: number): number[][] {
  const groups: number[][] = []
  const open = new Map<number, number[]>()
  for (const [index, length] of lengths.entries()) {
    let group = open.get(length)
    if (!group || (group.length + 1) * length > budget) {
      group = []
      open.set(length, group)
      groups.push(group)
    }
    group.push(index)
  }
  return groups
}
