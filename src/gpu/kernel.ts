import { KernelError } from '../errors'

/** Values of the shader's `override` constants by name; booleans are 0 and 1. */
export type KernelConstants = Record<string, number>

/** A compiled compute pipeline. Binding 0 of group 0 is the optional uniform, bindings 1, 2, … are the tensors. */
export interface Kernel {
  readonly label: string
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
}

/** Compiles WGSL once per (source, entry point, constants); callers that ask while a compilation is under way share it. */
export class KernelCache {
  readonly #device: GPUDevice
  readonly #modules = new Map<string, Promise<GPUShaderModule>>()
  readonly #kernels = new Map<string, Promise<Kernel>>()

  constructor(device: GPUDevice) {
    this.#device = device
  }

  /** @throws KernelError quoting the WGSL line that does not compile, or naming the pipeline that was refused. */
  get(label: string, wgsl: string, constants: KernelConstants, entryPoint: string): Promise<Kernel> {
    const sorted = Object.entries(constants).sort(([a], [b]) => (a < b ? -1 : 1))
    return remember(this.#kernels, JSON.stringify([entryPoint, sorted, wgsl]), async () => {
      const module = await remember(this.#modules, wgsl, () => compile(this.#device, label, wgsl))
      try {
        const pipeline = await this.#device.createComputePipelineAsync({
          label,
          layout: 'auto',
          compute: { module, entryPoint, constants },
        })
        return { label, pipeline, layout: pipeline.getBindGroupLayout(0) }
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        throw new KernelError(`The GPU refused kernel ${label} (${entryPoint}): ${reason}`, { label }, { cause: error })
      }
    })
  }
}

/** The value under `key`, made at most once; a failure is forgotten, so that a later caller may try again. */
function remember<Value>(cache: Map<string, Promise<Value>>, key: string, make: () => Promise<Value>): Promise<Value> {
  let value = cache.get(key)
  if (!value) {
    value = make()
    cache.set(key, value)
    value.catch(() => cache.delete(key))
  }
  return value
}

async function compile(device: GPUDevice, label: string, wgsl: string): Promise<GPUShaderModule> {
  // The scope only keeps the refusal from being reported a second time as an uncaptured error.
  device.pushErrorScope('validation')
  const module = device.createShaderModule({ label, code: wgsl })
  const [info] = await Promise.all([module.getCompilationInfo(), device.popErrorScope()])
  const first = info.messages.find((message) => message.type === 'error')
  if (first) throw new KernelError(quote(label, wgsl, first), { label, line: first.lineNum, column: first.linePos })
  return module
}

/** The compiler's message with the line it is about and a mark under the column. */
function quote(label: string, wgsl: string, { lineNum, linePos, message }: GPUCompilationMessage): string {
  const line = wgsl.split('\n')[lineNum - 1] ?? ''
  return `Shader ${label} does not compile: ${message} (line ${lineNum}, column ${linePos})\n${line}\n${' '.repeat(Math.max(0, linePos - 1))}^`
}
