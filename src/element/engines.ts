import type { Backend, Noema, OnProgress, Progress } from '../api'
import { load, modelUrl } from '../api/load'

/** A share in an engine that several elements use. */
export interface Lease {
  /** Rejects as `load` does. */
  readonly noema: Promise<Noema>
  /** Gives the share back; the engine ends with the last one. */
  release(): void
  /** As `release`, and nobody gets a share in this engine any more: for one that has died. */
  discard(): void
}

interface Engine {
  readonly noema: Promise<Noema>
  /** Ends the engine, or its load. */
  end(): void
  /** Those who have a share, each with whom to tell of progress. */
  readonly leases: Map<Lease, OnProgress>
  latest: Progress | undefined
}

/** By backend and the URL of the model's folder. */
const engines = new Map<string, Engine>()

/**
 * Takes a share in the one engine of a model and backend, which is loaded for the first of them. An engine that failed to load is forgotten, so that the next
 * one who asks tries again.
 *
 * @param model and `backend`: as `load` takes them
 * @param onProgress also hears at once how far a load is that others began
 * @throws InvalidInput when `model` is neither a name nor a URL.
 */
export function acquire(model: string, backend: Backend, onProgress: OnProgress): Lease {
  const url = modelUrl(model)
  const key = `${backend} ${url}`
  const engine = engines.get(key) ?? start(key, url, backend)
  const lease: Lease = {
    noema: engine.noema,
    release() {
      if (!engine.leases.delete(lease) || engine.leases.size > 0) return
      forget(key, engine)
      engine.end()
    },
    discard() {
      forget(key, engine)
      lease.release()
    },
  }
  engine.leases.set(lease, onProgress)
  if (engine.latest) onProgress(engine.latest)
  return lease
}

function start(key: string, url: string, backend: Backend): Engine {
  const controller = new AbortController()
  const onProgress = (progress: Progress) => {
    engine.latest = progress
    for (const tell of engine.leases.values()) tell(progress)
  }
  const noema = load(url, { backend, signal: controller.signal, onProgress })
  const end = () => {
    controller.abort()
    noema.then((loaded) => loaded.dispose()).catch(() => undefined)
  }
  const engine: Engine = { noema, end, leases: new Map(), latest: undefined }
  engines.set(key, engine)
  noema.then(
    () => {
      engine.latest = undefined
    },
    () => forget(key, engine),
  )
  return engine
}

function forget(key: string, engine: Engine): void {
  if (engines.get(key) === engine) engines.delete(key)
}
