import { expect, test } from 'vitest'
import { mapInWords } from './map-words'
import { interfaceLanguages } from './messages'
import { project } from './projection'

const vector = (...values: number[]) => Float32Array.from(values)
const concepts = [vector(0, 0, 1), vector(4, 0, 1), vector(0, 2, 1)]

test('what is placed beside the concepts falls into their plane, on the side where they were before', () => {
  const { points, place } = project(concepts, [])
  const [middle, end] = place([vector(2, 0, 9), concepts[1]!])
  expect(end!.x).toBeCloseTo(points[1]!.x, 6)
  expect(end!.y).toBeCloseTo(points[1]!.y, 6)
  expect(middle!.x).toBeCloseTo((points[0]!.x + points[1]!.x) / 2, 6)
  const turned = project(
    concepts,
    points.map(({ x, y }) => ({ x: -x, y })),
  )
  expect(turned.points[1]!.x).toBeCloseTo(-points[1]!.x, 6)
  expect(turned.place([concepts[1]!])[0]!.x).toBeCloseTo(-points[1]!.x, 6)
  expect(project(concepts.slice(0, 1), []).place(concepts)).toEqual([])
  expect(place([])).toEqual([])
})

test('the map in words has the way out of noise and what the memory has nearby, in every language', () => {
  const content = {
    first: 4,
    concepts,
    trajectory: [vector(0, 0, -1), vector(0, 2, -1), vector(0, 2, 0), concepts[2]!],
    neighbours: [{ text: 'It rains.', embedding: vector(8, 1, 2) }],
  }
  for (const [language, messages] of Object.entries(interfaceLanguages)) {
    const lines = mapInWords(content, messages, language as keyof typeof interfaceLanguages)
    expect(lines).toHaveLength(5)
    expect(lines[3]).toMatch(/7.* 4 .*[-−]0[.,]45.*0[.,]60/)
    expect(lines[4]).toMatch(/It rains\..*6.*0[.,]99/)
  }
  expect(mapInWords({ ...content, concepts: [], trajectory: [] }, interfaceLanguages.en, 'en')).toEqual([])
})
