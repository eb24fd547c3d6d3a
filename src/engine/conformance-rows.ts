import { InvalidInput } from '../errors'
import type { ConceptModel, NoiseSource } from '../models/concept-model'
import { ForkedBatch } from '../models/forked-batch'
import { type GenerateOptions, generate, type StopReason, stopReason } from '../models/generate'

/** Raw concepts [length, dim] that a row of a case begins with. */
export interface CasePrompt {
  values: Float32Array
  length: number
  dim: number
}

/** What row `slot` of `active` rows draws in draw `draw`. */
export type DrawnNoise = (draw: number, slot: number, active: number) => NoiseSource

/** Concepts of the longest prompt. */
export function longest(prompts: readonly CasePrompt[]): number {
  return Math.max(...prompts.map(({ length }) => length))
}

export interface GeneratedRow {
  concepts: Float32Array[]
  /** Ended by likeness to the end of text or to the concept before. */
  similar: boolean
}

/**
 * One document as users continue it, several in a batch of the model's: all rows in lockstep from the shortest prompt on. A row still inside its
 * prompt uses up its share of a draw; a finished row leaves the batch.
 */
export async function generateRows(
  model: ConceptModel,
  prompts: readonly CasePrompt[],
  options: Omit<GenerateOptions, 'noise'>,
  noise: DrawnNoise,
): Promise<GeneratedRow[]> {
  try {
    return prompts.length === 1
      ? [await generateRow(model, prompts[0]!, options, noise)]
      : await generateBatch(model, prompts, options, noise)
  } finally {
    model.truncate(0)
  }
}

async function generateRow(
  model: ConceptModel,
  { values, length }: CasePrompt,
  options: Omit<GenerateOptions, 'noise'>,
  noise: DrawnNoise,
): Promise<GeneratedRow> {
  const row: GeneratedRow = { concepts: [], similar: false }
  for await (const { concept, stop } of generate(model, values, { ...options, noise: (position) => noise(position - length, 0, 1) })) {
    row.concepts.push(concept)
    row.similar = isSimilar(stop)
  }
  return row
}

async function generateBatch(
  model: ConceptModel,
  prompts: readonly CasePrompt[],
  options: Omit<GenerateOptions, 'noise'>,
  noise: DrawnNoise,
): Promise<GeneratedRow[]> {
  const rows: GeneratedRow[] = prompts.map(() => ({ concepts: [], similar: false }))
  const batch = (await model.batch?.(prompts.length, longest(prompts) + options.maxConcepts)) ?? new ForkedBatch(model, prompts.length)
  try {
    if (batch.size < prompts.length) throw new InvalidInput(`The GPU holds ${batch.size} documents of the batch's ${prompts.length}.`)
    for (const [row, { values, length }] of prompts.entries()) {
      model.truncate(0)
      await model.append(values)
      await batch.importRows(row, await model.exportRows(0, length))
    }
    let active = [...prompts.keys()]
    const first = Math.min(...prompts.map(({ length }) => length))
    for (let position = first; active.length > 0; position++) {
      const writing = active.filter((row) => position >= prompts[row]!.length)
      const requests = writing.map((row) => ({ document: row, noise: noise(position - first, active.indexOf(row), active.length) }))
      const concepts = requests.length > 0 ? await batch.predict(requests, options) : []
      const stopped: number[] = []
      for (const [i, row] of writing.entries()) {
        const { values, length, dim } = prompts[row]!
        const concept = concepts[i]!
        const previous = rows[row]!.concepts.at(-1) ?? values.subarray((length - 1) * dim)
        const stop = stopReason(concept, previous, { generated: position - length, isFull: false }, options)
        rows[row]!.concepts.push(concept)
        rows[row]!.similar = isSimilar(stop)
        if (stop) stopped.push(row)
        else await batch.append(row, concept)
      }
      active = active.filter((row) => !stopped.includes(row))
    }
    return rows
  } finally {
    batch.dispose()
  }
}

function isSimilar(stop: StopReason | null): boolean {
  return stop === 'end-of-text' || stop === 'repetition'
}
