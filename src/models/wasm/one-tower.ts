import type { OneTowerArchitecture } from '../../formats/concept-model-manifest'
import { toFloat32 } from '../../formats/float16'
import { requireTensor, type TensorSource } from '../../formats/safetensors'
import { float32, floats, type Graph } from '../../onnx'
import type { PredictOptions } from '../concept-model'
import { loadNormalizer } from '../normalizer'
import { type NoiseSchedule, noiseSchedule, type SchedulerConfig, schedulerDefaults } from '../schedule'
import { requireSizes } from '../weights'
import { type DenoisingPass, denoise } from './denoise'
import { runTimesteps } from './denoiser-graph'
import { cleanGraph, type InterleavedSizes, noisyGraph, timeGraph } from './interleaved-graphs'
import { openGraphs, type ReadConcept, WasmModel, type WasmParts } from './wasm-model'

interface Parts extends WasmParts {
  graphs: Record<'time' | 'clean' | 'noisy', Graph>
  sizes: InterleavedSizes
  /** The learned positions, [capacity + 1, d]. */
  positions: Float32Array
  /** The embedding of timestep 0, that of a clean concept, [e]. */
  cleanTime: Float32Array
  scheduler: SchedulerConfig
  schedule: NoiseSchedule
}

/** The One-Tower diffusion concept model (reference/lcm.md §6; see `OneTower` for its tensors) on the processor. */
export class WasmOneTower extends WasmModel {
  readonly #parts: Parts

  /** @throws ModelFormatError for a tensor that is missing or has another shape, InvalidInput for a schedule that does not exist. */
  static async load(
    source: TensorSource,
    architecture: OneTowerArchitecture,
    schedulerConfig: Partial<SchedulerConfig> = {},
  ): Promise<WasmOneTower> {
    requireSizes(architecture)
    const scheduler = { ...schedulerDefaults, ...schedulerConfig }
    const schedule = noiseSchedule(scheduler)
    const { sonar_dim: sonarDim, model_dim: modelDim, timestep_embed_dim: timestepDim, max_seq_len: capacity } = architecture
    const { heads, layers, ffn_inner: ffnInner } = architecture
    const sizes = { sonarDim, timestepDim, modelDim, heads, layers, ffnInner }
    const normalizer = loadNormalizer(source, 'frontend.sonar_normalizer', sonarDim)
    const positions = toFloat32(requireTensor(source, 'frontend.pos_encoder.weight', [capacity + 1, modelDim]))
    const graphs = await openGraphs({
      time: timeGraph(source, sizes),
      clean: cleanGraph(source, sizes),
      noisy: noisyGraph(source, sizes),
    })
    const cleanTime = await runTimesteps(graphs.time, [0], 'embedding')
    return new WasmOneTower({ graphs, normalizer, capacity, sizes, positions, cleanTime, scheduler, schedule, users: 0 })
  }

  private constructor(parts: Parts) {
    super(parts, [2 * parts.sizes.layers * parts.sizes.modelDim])
    this.#parts = parts
  }

  fork(): WasmOneTower {
    return new WasmOneTower(this.#parts)
  }

  protected override async read(concept: Float32Array, position: number): Promise<ReadConcept> {
    const { graphs, cleanTime } = this.#parts
    const { row } = await graphs.clean.run(
      {
        concept: float32(concept, [1, this.dim]),
        time: float32(cleanTime, [1, cleanTime.length]),
        ...this.#behind(position),
      },
      ['row'],
    )
    return { state: [floats(row)] }
  }

  protected override predictNormalized(options: PredictOptions): Promise<Float32Array> {
    const { scheduler, schedule } = this.#parts
    return denoise(options, { dim: this.dim, scheduler, schedule, network: (timesteps) => this.#network(timesteps) })
  }

  /** What the concept at a position finds there: its learned position, and the cache rows of the clean concepts before it. */
  #behind(position: number) {
    const { sizes, positions } = this.#parts
    const { modelDim, layers } = sizes
    return {
      position: float32(positions.subarray(position * modelDim, (position + 1) * modelDim), [1, modelDim]),
      past: float32(this.stateOf(0, position), [position, 2 * layers * modelDim]),
    }
  }

  async #network(timesteps: readonly number[]): Promise<DenoisingPass> {
    const { graphs, sizes } = this.#parts
    const { timestepDim } = sizes
    const { length } = this
    const times = await runTimesteps(graphs.time, timesteps, 'embedding')
    const behind = this.#behind(length)
    return async (latent, step, guided) => {
      const rows = guided ? 2 : 1
      const time = times.subarray(step * timestepDim, (step + 1) * timestepDim)
      const { prediction } = await graphs.noisy.run(
        {
          concept: float32(repeated(latent, rows), [rows, this.dim]),
          time: float32(repeated(time, rows), [rows, timestepDim]),
          mask: float32(mask(length, rows), [rows, length + rows]),
          ...behind,
        },
        ['prediction'],
      )
      return floats(prediction)
    }
  }
}

/** Row 0 sees the clean concepts and its own column; row 1, which is unconditional, its own alone. */
function mask(concepts: number, rows: number): Float32Array {
  const width = concepts + rows
  return Float32Array.from({ length: rows * width }, (_, i) => {
    const [row, column] = [Math.floor(i / width), i % width]
    return column === concepts + row || (row === 0 && column < concepts) ? 0 : Number.NEGATIVE_INFINITY
  })
}

function repeated(row: Float32Array, times: number): Float32Array {
  const rows = new Float32Array(times * row.length)
  for (let i = 0; i < times; i++) rows.set(row, i * row.length)
  return rows
}
