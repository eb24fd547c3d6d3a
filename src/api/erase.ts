import { connect } from './connection'
import { forgetAsking } from './persistence'

/**
 * Erases all that this library keeps in this browser for this site: model files, documents, memory, encoded sentences and states. What is loaded, here
 * or in another tab, goes on to work and may store again what it makes from then on.
 *
 * @throws StorageUnavailable when the browser keeps nothing for this page; WorkerFailed when the worker does not start.
 */
export async function eraseEverything(): Promise<void> {
  const connection = await connect()
  try {
    await connection.call(undefined, (engine, job) => engine.eraseEverything(job))
    forgetAsking()
  } finally {
    connection.close()
  }
}
