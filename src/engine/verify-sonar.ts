import { InvalidInput, throwIfAborted } from '../errors'
import type { Space } from '../space/space'
import { type CaseReport, compare } from './conformance-report'

const english = ['Hello, my name is Paul', "I'm working as a teacher"]
const french = ['Bonjour, mon nom est Paul', 'Je travaille comme professeur.']

/** SONAR's own integration test (reference/sonar.md §6), with its published weights in f32. */
const answers = {
  cosines: { expected: [0.9367, 0.3658, 0.3787, 0.8596], tolerance: 1e-4 },
  prefix: [3, 333],
  /** The first four logits after each prefix token, and the last three and four. Printed with four digits. */
  logits: [
    { start: [-1.4572, -2.7325, -1.0546, 0.7818], end: [0.8982, 0.4996, -0.1487] },
    { start: [2.4092, 6.9624, 3.6308, 9.4825], end: [3.8826, 3.8777, 3.282, 3.3275] },
  ],
  logitTolerance: 1e-3,
}

/**
 * Checks a converted SONAR space against the known answers: similarities of sentences, logits, and sentences decoded with beam 5.
 * Quantised weights miss the tolerances, which are those of f32; the reports say by how much.
 * @throws InvalidInput when the space is not SONAR's by its width or its languages; Aborted.
 */
export async function verifySonar(space: Space, signal: AbortSignal): Promise<CaseReport[]> {
  const codes = new Set(space.languages.map(({ code }) => code))
  if (space.dim !== 1024 || !codes.has('eng_Latn') || !codes.has('fra_Latn')) {
    throw new InvalidInput(
      `The known answers are for SONAR's own weights, a space of 1024 dimensions with 202 languages; this one has ${space.dim} and ${codes.size}. training/convert_sonar.py makes such a folder from the weights; give it with --model.`,
    )
  }
  const vectors = await space.encode(english, { language: 'eng_Latn', signal })
  const others = await space.encode(french, { language: 'fra_Latn', signal })
  const row = (all: Float32Array, i: number) => all.slice(i * space.dim, (i + 1) * space.dim)
  const cosines = [0, 1].flatMap((i) => [0, 1].map((j) => cosine(row(vectors, i), row(others, j))))
  const logits = await space.logits(row(vectors, 0), answers.prefix)
  throwIfAborted(signal)
  const vocabulary = logits.length / answers.prefix.length
  const ends = answers.logits.flatMap(({ start, end }, i) => {
    const position = [...logits.subarray(i * vocabulary, (i + 1) * vocabulary)]
    return [...position.slice(0, start.length), ...position.slice(-end.length)]
  })
  const decoded = await space.decode(vectors, { language: 'fra_Latn', beam: 5, signal })
  return [
    compare('cosine similarities of English and French sentences', 'sonar_known_answer', [
      { name: 'cosines', got: cosines, expected: answers.cosines.expected, tolerance: { absolute: answers.cosines.tolerance } },
    ]),
    compare(`logits after the tokens ${answers.prefix.join(', ')}`, 'sonar_known_answer', [
      {
        name: 'logits',
        got: ends,
        expected: answers.logits.flatMap(({ start, end }) => [...start, ...end]),
        tolerance: { absolute: answers.logitTolerance },
      },
    ]),
    ...decoded.map(({ text }, i) => decodedReport(english[i]!, text, french[i]!)),
  ]
}

function decodedReport(source: string, got: string, expected: string): CaseReport {
  const passed = got === expected
  return {
    name: `"${source}" in French, beam 5`,
    kind: 'sonar_known_answer',
    status: passed ? 'passed' : 'failed',
    ...(!passed && { reason: `It gives "${got}" where the reference gives "${expected}".` }),
    arrays: [],
  }
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = a.reduce((sum, value, i) => sum + value * b[i]!, 0)
  return dot / (Math.hypot(...a) * Math.hypot(...b))
}
