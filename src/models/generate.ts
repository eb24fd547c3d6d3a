import { ContextFull, InvalidInput, throwIfAborted } from '../errors'
import type { ConceptModel, NoiseSource, PredictOptions } from './concept-model'
import { Random } from './random'

/** When a document ends. */
export interface StopOptions {
  /** Generates at most this many concepts, 1 or more. */
  maxConcepts: number
  /** Concepts generated before end of text and repetition are looked for. Default 1: never at the first. */
  minConcepts?: number
  /** Stop at a concept whose cosine with this raw one [dim] reaches `threshold`. Default: off. */
  endOfText?: { concept: Float32Array; threshold: number }
  /** Stop at a concept whose cosine with the one before it reaches this. Default: off. */
  repetitionThreshold?: number
}

export interface GenerateOptions extends StopOptions, Omit<PredictOptions, 'noise'> {
  /** The noise of the concept at a position of the document; see `seededNoise`. */
  noise: (position: number) => NoiseSource
  /** What stands in the document, raw [dim], in the place of a predicted concept that does not end it. Default: the concept itself. */
  settle?: (concept: Float32Array, position: number) => Promise<Float32Array>
}

/**
 * Why generation ended: `end-of-text`, at a concept like the end of a text; `repetition`, at one like the concept before it; `length`, with as many
 * concepts as were asked for; `context-full`, where the model's context holds no more.
 */
export type StopReason = 'end-of-text' | 'repetition' | 'length' | 'context-full'

export interface GeneratedConcept {
  /** Index in the document, the prompt included. */
  position: number
  /** Raw, [dim]. */
  concept: Float32Array
  /** Set on the last concept only. */
  stop: StopReason | null
}

/** Noise from one seed, a whole number 0 … 2^53 − 1: the same concept for the same seed, position and document. */
export function seededNoise(seed: number): (position: number) => NoiseSource {
  requireSeed(seed)
  return (position) => {
    const random = new Random(seed, position)
    return (count) => random.gaussians(count)
  }
}

/** @throws InvalidInput unless `seed` is a whole number, 0 … 2^53 − 1. */
export function requireSeed(seed: number): void {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new InvalidInput(`A seed is a whole number from 0 to 2^53 − 1, not ${seed}.`)
}

/**
 * Continues a document, yielding each concept as soon as it is there (reference/lcm.md §5).
 * What the model already has in memory must be the beginning of the prompt and is not computed again: truncate it to that first.
 * The memory afterwards holds the prompt and every generated concept but the last.
 *
 * @param prompt raw concepts [n, dim], n ≥ 1
 * @throws InvalidInput for an empty prompt or options out of range, ContextFull for a prompt that is too long, Aborted, DeviceLost.
 */
export async function* generate(
  model: ConceptModel,
  prompt: Float32Array,
  options: GenerateOptions,
): AsyncGenerator<GeneratedConcept, void> {
  requirePrompt(model, prompt)
  requireOptions(model, options)
  if (model.length > prompt.length / model.dim) {
    throw new InvalidInput(
      `The model remembers ${model.length} concepts, the prompt has only ${prompt.length / model.dim}: truncate the model first.`,
    )
  }
  const { noise, sampling, signal, onStep, onTrajectory, settle } = options
  const promptLength = prompt.length / model.dim
  let previous = prompt.subarray(prompt.length - model.dim)
  await model.append(prompt.subarray(model.length * model.dim), { signal })
  for (let position = promptLength; ; position++) {
    throwIfAborted(signal)
    const state = { generated: position - promptLength, isFull: position === model.capacity }
    let concept = await model.predict({ noise: noise(position), sampling, signal, onStep, onTrajectory })
    let stop = stopReason(concept, previous, state, options)
    if (settle && stop !== 'end-of-text') {
      concept = await settle(concept, position)
      stop = stopReason(concept, previous, state, options)
    }
    yield { position, concept, stop }
    if (stop) return
    previous = concept
    await model.append(concept, { signal })
  }
}

/** The reference's tests in the reference's order; `generated` counts the concepts generated before this one, `isFull` says that no other would fit. */
export function stopReason(
  concept: Float32Array,
  previous: Float32Array,
  { generated, isFull }: { generated: number; isFull: boolean },
  { maxConcepts, minConcepts = 1, endOfText, repetitionThreshold }: StopOptions,
): StopReason | null {
  if (generated >= minConcepts) {
    if (endOfText && cosine(concept, endOfText.concept) >= endOfText.threshold) return 'end-of-text'
    if (repetitionThreshold !== undefined && cosine(concept, previous) >= repetitionThreshold) return 'repetition'
  }
  if (generated + 1 >= maxConcepts) return 'length'
  return isFull ? 'context-full' : null
}

/** @throws InvalidInput for a prompt that is empty, of another width or not finite, ContextFull for one that is too long. */
export function requirePrompt(model: ConceptModel, prompt: Float32Array): void {
  const concepts = prompt.length / model.dim
  if (concepts === 0) throw new InvalidInput('There is nothing to continue: the prompt needs at least one concept.')
  if (!Number.isInteger(concepts)) throw new InvalidInput(`Concepts have ${model.dim} numbers each; the prompt has ${prompt.length}.`)
  if (!prompt.every(Number.isFinite)) throw new InvalidInput('The prompt has a number that is not finite.')
  if (concepts > model.capacity) {
    throw new ContextFull(`The document has ${concepts} concepts; this model holds ${model.capacity}.`, {
      concepts,
      capacity: model.capacity,
    })
  }
}

/** @throws InvalidInput for options out of range. */
export function requireOptions(model: ConceptModel, { maxConcepts, minConcepts = 1, endOfText }: StopOptions): void {
  if (!Number.isInteger(maxConcepts) || maxConcepts < 1)
    throw new InvalidInput(`maxConcepts must be a whole number from 1, not ${maxConcepts}.`)
  if (!Number.isInteger(minConcepts) || minConcepts < 0)
    throw new InvalidInput(`minConcepts must be a whole number from 0, not ${minConcepts}.`)
  if (endOfText && endOfText.concept.length !== model.dim) {
    throw new InvalidInput(`The end-of-text concept has ${endOfText.concept.length} numbers; this model's concepts have ${model.dim}.`)
  }
}

/** 0 when either vector is zero. */
function cosine(a: Float32Array, b: Float32Array): number {
  let product = 0
  let squareA = 0
  let squareB = 0
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!
    squareA += a[i]! ** 2
    squareB += b[i]! ** 2
  }
  return squareA > 0 && squareB > 0 ? product / Math.sqrt(squareA * squareB) : 0
}
