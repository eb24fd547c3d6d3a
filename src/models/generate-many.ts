import { throwIfAborted } from '../errors'
import type { ConceptBatch, ConceptModel, NoiseSource, PredictOptions } from './concept-model'
import { ForkedBatch } from './forked-batch'
import { type GeneratedConcept, requireOptions, requirePrompt, type StopOptions, stopReason } from './generate'

/** A document to be continued. */
export interface ManyPrompt {
  /** Raw concepts [n, dim], n ≥ 1; documents with the same prompt had better have the same array, which is then read once. */
  prompt: Float32Array
  /** The noise of the concept at a position of the document; see `seededNoise`. */
  noise: (position: number) => NoiseSource
  /** How many concepts at the end of the prompt a call has generated that this one takes up. Default 0. */
  written?: number
}

export interface ManyOptions extends StopOptions, Omit<PredictOptions, 'noise' | 'onStep' | 'onTrajectory'> {
  /** Leaves the prompt in the model's memory; it is called once for each prompt before its first concept. Default: from nothing. */
  read?: (prompt: Float32Array) => Promise<void>
  /** As `GenerateOptions.settle`, for concepts that were predicted together. */
  settle?: (concepts: readonly ConceptOfMany[]) => Promise<Float32Array[]>
}

/** A concept of one of the documents. */
export interface ConceptOfMany extends GeneratedConcept {
  /** Index of the document. */
  document: number
}

/** Numbers of state that leave the GPU in one read-back at most, unless one row is larger. */
const exportNumbers = 2 ** 23

/**
 * Continues several documents, each exactly as `generate` would alone: as many at once as the model can take, then the next ones. What is yielded
 * are the concepts that were predicted together. A model without batches continues one document after another.
 * The memory of the model is used for the prompts; what it holds afterwards is the beginning of one of the documents.
 *
 * @throws as `generate`.
 */
export async function* generateMany(
  model: ConceptModel,
  documents: readonly ManyPrompt[],
  options: ManyOptions,
): AsyncGenerator<ConceptOfMany[], void> {
  const read =
    options.read ??
    (async (prompt: Float32Array) => {
      model.truncate(0)
      await model.append(prompt, options)
    })
  requireOptions(model, options)
  for (const { prompt } of documents) requirePrompt(model, prompt)
  const longest = Math.max(...documents.map(({ prompt, written = 0 }) => prompt.length / model.dim - written))
  const room = Math.min(model.capacity, longest + options.maxConcepts - 1)
  for (let first = 0; first < documents.length; ) {
    const start = first
    const batch = (await model.batch?.(documents.length - first, room)) ?? new ForkedBatch(model, 1)
    try {
      const group = documents.slice(first, first + batch.size)
      const all = (concepts: readonly ConceptOfMany[]) => concepts.map((concept) => ({ ...concept, document: start + concept.document }))
      const { settle } = options
      await fill(model, batch, group, read)
      const settled = { ...options, ...(settle && { settle: (concepts: readonly ConceptOfMany[]) => settle(all(concepts)) }) }
      for await (const concepts of continueBatch(model, batch, group, settled)) yield all(concepts)
    } finally {
      batch.dispose()
    }
    first += batch.size
  }
}

/** Reads each prompt in the model's own memory and copies the rows of its state to the documents that begin with it. */
async function fill(
  model: ConceptModel,
  batch: ConceptBatch,
  group: readonly ManyPrompt[],
  read: (prompt: Float32Array) => Promise<void>,
): Promise<void> {
  const rowsAtOnce = Math.max(1, Math.floor(exportNumbers / model.rowWidth))
  const indices = group.map((_, index) => index)
  for (const [prompt, members] of Map.groupBy(indices, (index) => group[index]!.prompt)) {
    await read(prompt)
    const length = prompt.length / model.dim
    for (let start = 0; start < length; start += rowsAtOnce) {
      const rows = await model.exportRows(start, Math.min(length, start + rowsAtOnce))
      for (const document of members) await batch.importRows(document, rows)
    }
  }
}

async function* continueBatch(
  model: ConceptModel,
  batch: ConceptBatch,
  group: readonly ManyPrompt[],
  options: ManyOptions,
): AsyncGenerator<ConceptOfMany[], void> {
  const { sampling, signal, settle } = options
  let active = group.map(({ prompt }, document) => ({
    document,
    position: prompt.length / model.dim,
    previous: prompt.subarray(prompt.length - model.dim),
  }))
  const lengths = active.map(({ document, position }) => position - (group[document]!.written ?? 0))
  while (active.length > 0) {
    throwIfAborted(signal)
    const requests = active.map(({ document, position }) => ({ document, noise: group[document]!.noise(position) }))
    const predicted = await batch.predict(requests, { sampling, signal })
    const judged = (concept: Float32Array, row: number): ConceptOfMany => {
      const { document, position, previous } = active[row]!
      const state = { generated: position - lengths[document]!, isFull: position === model.capacity }
      return { document, position, concept, stop: stopReason(concept, previous, state, options) }
    }
    const concepts = predicted.map(judged)
    if (settle) {
      const rows = [...concepts.keys()].filter((row) => concepts[row]!.stop !== 'end-of-text')
      const settled = rows.length > 0 ? await settle(rows.map((row) => concepts[row]!)) : []
      for (const [index, row] of rows.entries()) concepts[row] = judged(settled[index]!, row)
    }
    yield concepts
    const going = concepts.filter(({ stop }) => stop === null)
    for (const { document, concept } of going) await batch.append(document, concept)
    active = going.map(({ document, position, concept }) => ({ document, position: position + 1, previous: concept }))
  }
}
