import * as Comlink from 'comlink'
import mjsUrl from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url'
import wasmUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'
import type { Engine } from '../engine/engine'
import { keepTypedErrors } from '../engine/transfer'
import workerUrl from '../engine/worker?worker&url'
import { Aborted, throwIfAborted, WorkerFailed } from '../errors'

/** A worker that has said nothing for this long after its start is taken as dead (an ES worker on `file://` hangs without an error). */
const startTimeout = 20_000

/** Told to the worker, so that a bundler that takes the worker as it is finds them here and takes them along. */
const runtimeFiles = { wasm: new URL(wasmUrl, import.meta.url).href, mjs: new URL(mjsUrl, import.meta.url).href }

/** The main thread's side of one engine worker: calls that can be aborted and that end when the worker does, whatever ended it. */
export interface Connection {
  /** Runs one engine call; the signal aborts it, and it rejects when the worker dies or `close` is called. */
  call<T>(signal: AbortSignal | undefined, run: (engine: Comlink.Remote<Engine>, job: number) => Promise<T>): Promise<T>
  /** Makes a function callable from the worker. */
  // biome-ignore lint/suspicious/noExplicitAny: callbacks of every shape pass through unchanged
  callback<F extends (...values: any[]) => void>(run: F): F
  /** Resolves when the worker has ended, by `close` or by itself. */
  ended: Promise<void>
  /** Ends the worker; calls in flight reject with `Aborted`. */
  close(): void
}

/**
 * Starts a worker and waits until it answers.
 *
 * @throws WorkerFailed when it does not; Aborted when the signal fires first.
 */
export async function connect(signal?: AbortSignal): Promise<Connection> {
  throwIfAborted(signal)
  keepTypedErrors()
  const worker = startWorker()
  let fail: (error: Error) => void = () => undefined
  const ended = new Promise<never>((_, reject) => {
    fail = reject
  })
  const end = (error: Error) => {
    fail(error)
    worker.terminate()
  }
  worker.onerror = (event) => end(new WorkerFailed(`The engine's worker stopped: ${event.message || 'its script could not be loaded'}.`))

  // The root proxy is held by the returned object for as long as calls may be made: Comlink ends the channel of a collected proxy.
  const engine = Comlink.wrap<Engine>(worker)
  let jobs = 0
  const connection: Connection = {
    async call(signal, run) {
      throwIfAborted(signal)
      const job = ++jobs
      const abort = () => void engine.abort(job)
      signal?.addEventListener('abort', abort, { once: true })
      try {
        return await Promise.race([run(engine, job), ended])
      } finally {
        signal?.removeEventListener('abort', abort)
      }
    },
    callback: (run) => Comlink.proxy(run),
    ended: ended.catch(() => undefined),
    close() {
      end(new Aborted('The engine was disposed of.'))
    },
  }

  const abort = () => end(new Aborted('The call was aborted.'))
  signal?.addEventListener('abort', abort)
  const life = `noema-worker ${Math.random()} ${Date.now()}`
  const timer = setTimeout(
    () => end(new WorkerFailed('The engine worker did not start: serve the page over http(s), not from a file.')),
    startTimeout,
  )
  try {
    const isHeld = await connection.call(undefined, (remote) => remote.start(runtimeFiles, life))
    // Nothing else tells of a worker that was killed.
    const tell = () => end(new WorkerFailed('The engine worker was killed: load the model again.'))
    if (isHeld) navigator.locks.request(life, tell).catch(() => undefined)
  } catch (error) {
    worker.terminate()
    throw error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
  return connection
}

/**
 * A browser refuses a worker whose script is of another origin than the page, but not one that imports such a script: where this library comes from
 * elsewhere, the worker is a line of its own, in a blob URL. What the imported script loads it then finds beside itself.
 */
function startWorker(): Worker {
  const script = new URL(workerUrl, import.meta.url)
  const options: WorkerOptions = { type: 'module', name: 'noema' }
  try {
    if (script.origin === location.origin) return new Worker(script, options)
    const importer = URL.createObjectURL(new Blob([`import ${JSON.stringify(script.href)}`], { type: 'text/javascript' }))
    const worker = new Worker(importer, options)
    worker.addEventListener('message', () => URL.revokeObjectURL(importer), { once: true })
    return worker
  } catch (error) {
    throw new WorkerFailed(`The browser refused to start a module worker: ${error instanceof Error ? error.message : error}.`)
  }
}
