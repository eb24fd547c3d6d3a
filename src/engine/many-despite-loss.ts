import type { ConceptOfMany } from '../models/generate-many'
import { joined, Tolerance } from './device-loss'
import type { ManySettings, Predictor } from './predictor'
import type { RowCounts } from './protocol'

/** How the continuations of several documents ended. */
export interface EndingOfMany {
  /** Where the state of each document's prompt came from. */
  rows: RowCounts[]
  /** Resolves when what was computed is stored, or cannot be. */
  stored: Promise<void>
}

/**
 * Continues documents of raw concepts [n, dim] together, as `Predictor.generateMany`. When the device is lost each document that has not ended goes
 * on from its last concept that was finished, on another device: no concept is yielded twice, and each is the same as without the loss.
 *
 * @param open the predictor on the device there is at the moment
 * @throws DeviceLost when four devices in a row are lost before another concept is finished; as `Predictor.generateMany`.
 */
export async function* continueManyDespiteLoss(
  open: () => Promise<Predictor>,
  documents: readonly { prompt: Float32Array; seed: number }[],
  settings: Omit<ManySettings, 'onRead'>,
): AsyncGenerator<{ concepts: ConceptOfMany[]; milliseconds: number }, EndingOfMany> {
  const tolerance = new Tolerance()
  const rows = new Map<Float32Array, RowCounts>()
  // What was computed before a loss is restored after it: only the first reading of a prompt says where it came from.
  const onRead = (prompt: Float32Array, counts: RowCounts) => void (rows.has(prompt) || rows.set(prompt, counts))
  const written: Float32Array[][] = documents.map(() => [])
  let going = documents.map((_, document) => document)
  for (;;) {
    try {
      const predictor = await open()
      const rest = going.map((document) => {
        const { prompt, seed } = documents[document]!
        const concepts = written[document]!
        return { prompt: concepts.length > 0 ? joined([prompt, ...concepts]) : prompt, seed, written: concepts.length }
      })
      const numbers = going
      const named = (concepts: readonly ConceptOfMany[]) => concepts.map((one) => ({ ...one, document: numbers[one.document]! }))
      const { settle, ...others } = settings
      const settled = settle && { settle: (concepts: readonly ConceptOfMany[]) => settle(named(concepts)) }
      if (rest.length > 0) {
        for await (const { concepts, milliseconds } of predictor.generateMany(rest, { ...others, ...settled, onRead })) {
          const found = named(concepts)
          for (const { document, concept, stop } of found) {
            written[document]!.push(concept)
            if (stop) going = going.filter((other) => other !== document)
          }
          tolerance.succeed()
          yield { concepts: found, milliseconds }
        }
      }
      return { rows: documents.map(({ prompt }) => rows.get(prompt)!), stored: predictor.stored() }
    } catch (error) {
      tolerance.bear(error)
    }
  }
}
