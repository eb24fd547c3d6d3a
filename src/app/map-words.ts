import type { InterfaceLanguage, Messages } from './messages'
import { cosine, nearest, nearestTo } from './neighbours'
import { likeness } from './numbers'

/** What is on the concept map. */
export interface MapContent {
  /** Index of the sentence that the first concept is of. */
  first: number
  /** Raw, [dim] each, as all of them. */
  concepts: readonly Float32Array[]
  /** The last concept after each denoising step. */
  trajectory: readonly Float32Array[]
  /** Remembered sentences nearby. */
  neighbours: readonly { text: string; embedding: Float32Array }[]
}

/** All that the map shows, in words: what lies next to what, how the newest concept came about, and what the memory has nearby. */
export function mapInWords(
  { first, concepts, trajectory, neighbours }: MapContent,
  messages: Messages,
  language: InterfaceLanguage,
): string[] {
  const shown = (value: number) => likeness(value, language)
  const number = (index: number) => first + index + 1
  const lines = nearest(concepts).map((other, i) => messages.mapNearest(number(i), number(other.index), shown(other.likeness)))
  const [start, half, end] = [trajectory[0], trajectory[Math.floor((trajectory.length - 1) / 2)], trajectory.at(-1)]
  if (start && half && end) {
    lines.push(messages.mapSteps(number(concepts.length - 1), trajectory.length, shown(cosine(start, end)), shown(cosine(half, end))))
  }
  if (concepts.length === 0) return lines
  const near = neighbours.map(({ text, embedding }) => ({ text, ...nearestTo(embedding, concepts) }))
  return [...lines, ...near.map((other) => messages.mapNeighbour(other.text, number(other.index), shown(other.likeness)))]
}
