import mjsUrl from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url'
import wasmUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'
import * as ort from 'onnxruntime-web/wasm'
import { ModelFormatError } from '../errors'

ort.env.wasm.wasmPaths = { wasm: wasmUrl, mjs: mjsUrl }
// Threads need shared memory, which only a cross-origin isolated page has. More than four gain nothing at these sizes.
ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1

/** What a graph's results may depend on in their last bits. */
export const runtime = { version: ort.env.versions.web ?? 'unknown', threads: ort.env.wasm.numThreads }

/** Where ONNX Runtime's own files are: absolute URLs. */
export interface RuntimeFiles {
  wasm: string
  mjs: string
}

/** Takes ONNX Runtime's files from elsewhere than beside this script, which a bundler may have moved without them. Before the first graph. */
export function useRuntimeFiles(files: RuntimeFiles): void {
  ort.env.wasm.wasmPaths = files
}

/** One ONNX graph on ONNX Runtime's wasm backend. */
export class Graph {
  readonly #name: string
  readonly #session: ort.InferenceSession
  readonly #constants: Record<string, ort.Tensor>

  private constructor(name: string, session: ort.InferenceSession, constants: Record<string, ort.Tensor>) {
    this.#name = name
    this.#session = session
    this.#constants = constants
  }

  /**
   * @param inputs what every run gives
   * @param constants inputs that are the same in every run
   * @param externalData files with weights that lie beside the graph, by the names the graph knows them under
   * @throws ModelFormatError when the file is no ONNX model or has not just these inputs.
   */
  static async load(
    name: string,
    file: Uint8Array,
    inputs: readonly string[],
    {
      constants = {},
      externalData = new Map(),
    }: { constants?: Record<string, ort.Tensor>; externalData?: ReadonlyMap<string, Uint8Array> } = {},
  ): Promise<Graph> {
    let session: ort.InferenceSession
    try {
      session = await ort.InferenceSession.create(file, {
        executionProviders: ['wasm'],
        externalData: Array.from(externalData, ([path, data]) => ({ path, data })),
      })
    } catch (cause) {
      throw new ModelFormatError(`"${name}" is not an ONNX model that ONNX Runtime can run.`, { file: name }, { cause })
    }
    const wanted = [...inputs, ...Object.keys(constants)]
    if (wanted.length !== session.inputNames.length || wanted.some((input) => !session.inputNames.includes(input))) {
      const found = session.inputNames.join(', ')
      await session.release()
      throw new ModelFormatError(`"${name}" must have the inputs ${wanted.join(', ')}; it has ${found}.`, { file: name })
    }
    return new Graph(name, session, constants)
  }

  /** Runs the graph. The call itself cannot be interrupted. @throws ModelFormatError when it fails or has no such output. */
  async run<K extends string>(inputs: Record<string, ort.Tensor>, outputs: readonly K[]): Promise<Record<K, ort.Tensor>> {
    try {
      return (await this.#session.run({ ...this.#constants, ...inputs }, outputs as unknown as string[])) as Record<K, ort.Tensor>
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new ModelFormatError(`"${this.#name}" could not be run: ${reason}`, { file: this.#name }, { cause })
    }
  }

  release(): Promise<void> {
    return this.#session.release()
  }
}

export type Tensor = ort.Tensor

export function int64(values: ArrayLike<number>, dims: readonly number[]): ort.Tensor {
  return new ort.Tensor('int64', BigInt64Array.from(values, BigInt), dims)
}

export function float32(values: Float32Array, dims: readonly number[]): ort.Tensor {
  return new ort.Tensor('float32', values, dims)
}

/** Elements of a float32 result. @throws ModelFormatError when it has another type. */
export function floats(tensor: ort.Tensor): Float32Array {
  if (tensor.data instanceof Float32Array) return tensor.data
  throw new ModelFormatError(`An ONNX graph gave ${tensor.type} where float32 is needed.`)
}
