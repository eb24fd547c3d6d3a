import { afterEach, expect, test, vi } from 'vitest'
import { Aborted } from '../errors'
import { connect } from './connection'

vi.mock('../engine/worker?worker&url', () => ({ default: 'https://page.example/worker.js' }))
vi.mock('onnxruntime-web/ort-wasm-simd-threaded.mjs?url', () => ({ default: 'ort.mjs' }))
vi.mock('onnxruntime-web/ort-wasm-simd-threaded.wasm?url', () => ({ default: 'ort.wasm' }))

afterEach(() => vi.unstubAllGlobals())

test('an abort ends a worker that never says anything, at once', async () => {
  const terminate = vi.fn()
  class SilentWorker extends EventTarget {
    postMessage = vi.fn()
    terminate = terminate
  }
  vi.stubGlobal('Worker', SilentWorker)
  vi.stubGlobal('location', { origin: 'https://page.example' })
  const controller = new AbortController()
  const connecting = connect(controller.signal)
  controller.abort()
  await expect(connecting).rejects.toThrow(Aborted)
  expect(terminate).toHaveBeenCalled()
}, 5000)
