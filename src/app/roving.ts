/**
 * Where the focus goes in a list of which one item at a time takes the Tab key.
 * @returns the index that the key leads to; `undefined` for other keys.
 */
export function rove(key: string, index: number, length: number): number | undefined {
  switch (key) {
    case 'ArrowDown':
    case 'ArrowRight':
      return Math.min(index + 1, length - 1)
    case 'ArrowUp':
    case 'ArrowLeft':
      return Math.max(index - 1, 0)
    case 'Home':
      return 0
    case 'End':
      return length - 1
    default:
      return undefined
  }
}
