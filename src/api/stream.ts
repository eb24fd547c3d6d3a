import type * as Comlink from 'comlink'
import type { Engine } from '../engine/engine'
import type { Concept, ContinueResult } from '../engine/protocol'
import type { Connection } from './connection'
import { AsyncQueue } from './queue'

/**
 * The concepts of one engine call as they come. Leaving the loop early cancels the call.
 * @param run starts the call; it is given where to put each concept.
 * @param onArrival called with each concept that comes before the loop has ended, whether the loop gets to it or not.
 */
export async function* streamConcepts<Item = Concept, Result = ContinueResult>(
  connection: Connection,
  signal: AbortSignal | undefined,
  run: (engine: Comlink.Remote<Engine>, job: number, onConcept: (concept: Item) => void) => Promise<Result>,
  onArrival: (concept: Item) => void = () => undefined,
): AsyncGenerator<Item, Result> {
  const left = new AbortController()
  const signals = signal ? AbortSignal.any([signal, left.signal]) : left.signal
  const concepts = new AsyncQueue<Item>()
  const onConcept = connection.callback((concept: Item) => {
    if (left.signal.aborted) return
    onArrival(concept)
    concepts.push(concept)
  })
  const result = connection.call(signals, (engine, job) => run(engine, job, onConcept))
  result.then(
    () => concepts.close(),
    (error) => concepts.fail(error),
  )
  try {
    yield* concepts
    return await result
  } finally {
    left.abort()
  }
}
