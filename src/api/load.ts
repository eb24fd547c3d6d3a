import type { Backend } from '../engine/protocol'
import { DeviceLost, InvalidInput } from '../errors'
import type { OnProgress } from '../progress'
import { connect } from './connection'
import { Noema } from './noema'
import { askToPersist } from './persistence'

export interface LoadOptions {
  /** Called as files arrive and parts become ready, never after `load` has ended; totals are known from the first call of a stage. */
  onProgress?: OnProgress
  /**
   * Called once for every GPU device that is lost while the model is in use, as when a driver is reset. There is nothing to be done: calls go on by
   * themselves on another device, from the last concept that was finished, and give what they would have given. A call throws DeviceLost only when
   * four devices in a row are lost before it gets anything done.
   */
  onDeviceLost?: (error: DeviceLost) => void
  /** Cancels the download and everything after it; what has arrived is kept, and the next `load` goes on from there. */
  signal?: AbortSignal
  /** What predicts concepts: `webgpu`, `wasm` (the processor), or `auto` (default): WebGPU where there is an adapter, else wasm. */
  backend?: Backend
}

/**
 * Loads a model into a worker of its own.
 *
 * @param model a name (`mini`, the default, is served beside this script) or the URL of a model folder.
 * @throws InvalidInput when `model` is neither a name nor a URL, or `backend` is none of the three.
 * @throws DownloadFailed, ModelIntegrityError, ModelFormatError when a file is missing, is not what the manifest says, or cannot be read.
 * @throws WebGpuUnavailable when `backend` is `webgpu` and there is no adapter.
 * @throws Aborted when the signal fires; WorkerFailed when the worker does not start or is killed; DeviceLost.
 */
export async function load(model = 'mini', options: LoadOptions = {}): Promise<Noema> {
  const url = modelUrl(model)
  const { backend = 'auto', signal, onProgress, onDeviceLost } = options
  if (!['auto', 'webgpu', 'wasm'].includes(backend)) throw new InvalidInput(`backend must be auto, webgpu or wasm, not ${backend}.`)
  const connection = await connect(signal)
  // News travel on another port than the answer, and may arrive after it.
  let isOver = false
  const tellProgress = connection.callback<OnProgress>((progress) => {
    if (!isOver) onProgress?.(progress)
  })
  const tellLoss = connection.callback((message: string) => onDeviceLost?.(new DeviceLost(message)))
  try {
    const info = await connection.call(signal, (engine, job) => engine.load(job, { url, backend }, tellProgress, tellLoss))
    await askToPersist(info.storage)
    return new Noema(connection, info)
  } catch (error) {
    connection.close()
    throw error
  } finally {
    isOver = true
  }
}

/** Apart from its use, so that no bundler takes the folder above for a file to take along. */
const here = import.meta.url

/** Built, this module is in `assets/`, shared by the page and `noema.js`; in development it is `src/api/load.ts`. */
const siteRoot = new URL(import.meta.env.DEV ? '/' : '../', here)

/** Where a model's folder is; ends with a slash. @throws InvalidInput when `model` is neither a name nor a URL. */
export function modelUrl(model: string): string {
  if (/^[\w-]+$/.test(model)) return new URL(`models/${model}/`, siteRoot).href
  try {
    const url = new URL(model, document.baseURI)
    if (!url.pathname.endsWith('/')) url.pathname += '/'
    return url.href
  } catch {
    throw new InvalidInput(`"${model}" is neither a model name nor the URL of a model folder.`)
  }
}
