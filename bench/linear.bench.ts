import mjsUrl from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url'
import wasmUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'
import * as ort from 'onnxruntime-web/wasm'
import { bench, describe } from 'vitest'
import { requestGpu } from '../src/gpu'
import { loadLinear } from '../src/ops'

// A linear layer on one and two rows (a conditional and an unconditional one), as the denoiser runs it: WGSL against ONNX Runtime Web's wasm
// backend. Twenty layers in a row are submitted at once, as a denoising step does; ONNX Runtime runs the layer twenty times.

ort.env.wasm.wasmPaths = { wasm: wasmUrl, mjs: mjsUrl }
ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? 2 : 1

const graphs = import.meta.glob<string>('./graphs/*.onnx', { query: '?url', import: 'default', eager: true })
const repeats = 20
const gpu = await requestGpu()
console.log(`adapter: ${gpu.info.description || `${gpu.info.vendor} ${gpu.info.architecture}`}${gpu.info.software ? ' (software)' : ''}`)

for (const [outputs, inputs] of [
  [256, 256],
  [768, 256],
  [2048, 2048],
] as const) {
  const session = await ort.InferenceSession.create(graphs[`./graphs/gemm-${outputs}x${inputs}.onnx`] as string)
  for (const rows of [1, 2]) {
    const x = new Float32Array(rows * inputs).fill(0.5)
    const feed = { x: new ort.Tensor('float32', x, [rows, inputs]) }
    const input = gpu.tensor('input', [rows, inputs], { data: x })
    const bias = gpu.tensor('bias', [outputs])
    const output = gpu.tensor('output', [rows, outputs])
    const programs = new Map<string, ReturnType<typeof gpu.program>>()
    for (const type of ['f32', 'f16'] as const) {
      const linear = await loadLinear(gpu, type)
      const weight = gpu.tensor('weight', [outputs, inputs], { type })
      const program = gpu.program(`linear ${type}`)
      for (let i = 0; i < repeats; i++) linear.record(program, { input, weight, bias, output, rows })
      programs.set(type, program)
    }

    describe(`${repeats} × linear ${inputs} → ${outputs}, ${rows} row${rows > 1 ? 's' : ''}`, () => {
      for (const [type, program] of programs) {
        bench(`WGSL, ${type} weights`, async () => {
          gpu.submit([program])
          await gpu.finished()
        })
      }
      bench('ONNX Runtime Web, wasm', async () => {
        for (let i = 0; i < repeats; i++) (await session.run(feed)).y?.dispose()
      })
    })
  }
}
