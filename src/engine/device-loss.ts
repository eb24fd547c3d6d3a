import { DeviceLost } from '../errors'
import type { GenerateOptions, StopReason } from '../models/generate'
import type { PredictedConcept, Predictor, PredictorSettings } from './predictor'
import type { RowCounts } from './protocol'

/** How often in a row a device may be lost, with nothing finished in between, before a call gives up. */
const mostLosses = 3

/** Says whether what was lost with a device is to be done again. */
export class Tolerance {
  #losses = 0

  /** Something was finished. */
  succeed(): void {
    this.#losses = 0
  }

  /** @throws the error unless it is the loss of a device and not one too many. */
  bear(error: unknown): void {
    if (!(error instanceof DeviceLost) || ++this.#losses > mostLosses) throw error
  }
}

/**
 * Runs a task, and again when the GPU's device was lost meanwhile. The task asks for the device each time.
 * @throws what the task throws; DeviceLost when that happens four times in a row.
 */
export async function despiteLoss<T>(task: () => Promise<T>): Promise<T> {
  for (const tolerance = new Tolerance(); ; ) {
    try {
      return await task()
    } catch (error) {
      tolerance.bear(error)
    }
  }
}

/** How a continuation ended. */
export interface Ending {
  stop: StopReason
  /** Where the state of the prompt came from. */
  rows: RowCounts
  /** Resolves when what was computed is stored, or cannot be. */
  stored: Promise<void>
}

/**
 * Continues raw concepts `[n, dim]`. When the device is lost it goes on from the last concept that was finished, on another device: the concepts
 * are the same as without the loss, because the noise of each depends on nothing but the seed and its position.
 *
 * @param open the predictor on the device there is at the moment
 * @throws DeviceLost when four devices in a row are lost before the next concept is finished; as `Predictor.generate`.
 */
export async function* continueDespiteLoss(
  open: () => Promise<Predictor>,
  prompt: Float32Array,
  settings: PredictorSettings & { concepts: number; trajectory?: boolean; kept?: number; settle?: GenerateOptions['settle'] },
): AsyncGenerator<PredictedConcept, Ending> {
  const tolerance = new Tolerance()
  const written: Float32Array[] = []
  let rows: RowCounts | undefined
  for (;;) {
    try {
      const predictor = await open()
      const document = joined([prompt, ...written])
      const counts = await predictor.recall(document)
      if (written.length === 0) rows = counts
      const generation = predictor.generate(document, {
        ...settings,
        concepts: settings.concepts - written.length,
        goesOn: written.length > 0,
      })
      try {
        for (;;) {
          const { value, done } = await generation.next()
          if (done) return { stop: value, rows: rows!, stored: predictor.stored() }
          written.push(value.embedding)
          tolerance.succeed()
          yield value
        }
      } finally {
        await generation.return('length')
      }
    } catch (error) {
      tolerance.bear(error)
    }
  }
}

/** Vectors one after another, [n, dim]. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const vectors = new Float32Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    vectors.set(part, offset)
    offset += part.length
  }
  return vectors
}
