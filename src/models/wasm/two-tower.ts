import type { TwoTowerArchitecture } from '../../formats/concept-model-manifest'
import type { TensorSource } from '../../formats/safetensors'
import { float32, floats, type Graph, GraphBuilder } from '../../onnx'
import type { PredictOptions } from '../concept-model'
import { loadNormalizer } from '../normalizer'
import { type NoiseSchedule, noiseSchedule, type SchedulerConfig, schedulerDefaults } from '../schedule'
import type { TwoTowerPasses } from '../two-tower'
import { requireSizes } from '../weights'
import { addContextualizer, type ContextSizes, readConcept } from './context-graph'
import { type DenoisingPass, denoise } from './denoise'
import { addCrossRow, type DenoiserSizes, denoiserGraph, modulationGraph, runTimesteps } from './denoiser-graph'
import { Layers } from './layers'
import { openGraphs, type ReadConcept, WasmModel, type WasmParts } from './wasm-model'

interface Parts extends WasmParts {
  graphs: Record<'contextualizer' | 'modulation' | 'denoiser', Graph>
  context: ContextSizes
  denoiser: DenoiserSizes
  scheduler: SchedulerConfig
  schedule: NoiseSchedule
}

/** The Two-Tower diffusion concept model (reference/lcm.md §3) on the processor. */
export class WasmTwoTower extends WasmModel implements TwoTowerPasses {
  readonly #parts: Parts
  /** Kept from concept to concept: it depends on the timesteps alone. */
  #modulation: { timesteps: string; table: Float32Array } = { timesteps: '', table: new Float32Array(0) }

  /** @throws ModelFormatError for a tensor that is missing or has another shape, InvalidInput for a schedule that does not exist. */
  static async load(
    source: TensorSource,
    architecture: TwoTowerArchitecture,
    schedulerConfig: Partial<SchedulerConfig> = {},
  ): Promise<WasmTwoTower> {
    requireSizes(architecture)
    const scheduler = { ...schedulerDefaults, ...schedulerConfig }
    const schedule = noiseSchedule(scheduler)
    const { sonar_dim: sonarDim, model_dim: modelDim, heads, ffn_inner: ffnInner, max_seq_len: capacity } = architecture
    const context = { sonarDim, modelDim, heads, ffnInner, layers: architecture.context_layers }
    const denoiser = { ...context, layers: architecture.denoiser_layers }
    const normalizer = loadNormalizer(source, 'sonar_normalizer', sonarDim)
    const contextualizer = new GraphBuilder(source)
    const stack = new Layers(contextualizer, context)
    const vector = addContextualizer(stack, { preLinear: 'encoder_frontend.pre_linear', stack: 'context_encoder' }, context)
    contextualizer.output('context', vector, [1, modelDim])
    addCrossRow(stack, vector, denoiser)
    const graphs = await openGraphs({
      contextualizer,
      modulation: modulationGraph(source, denoiser),
      denoiser: denoiserGraph(source, denoiser),
    })
    return new WasmTwoTower({ graphs, normalizer, capacity, context, denoiser, scheduler, schedule, users: 0 })
  }

  private constructor(parts: Parts) {
    const { context, denoiser } = parts
    super(parts, [2 * context.layers * context.modelDim, 2 * denoiser.layers * denoiser.modelDim])
    this.#parts = parts
  }

  fork(): WasmTwoTower {
    return new WasmTwoTower(this.#parts)
  }

  forward(
    concepts: Float32Array,
    rows: readonly { noisy: Float32Array; timestep: number; visible: number }[],
  ): Promise<{ context: Float32Array[]; embeddings: Float32Array; predictions: Float32Array[] }> {
    return this.alone(async () => {
      const context: Float32Array[] = []
      for (let start = 0; start < concepts.length; start += this.dim) {
        await this.appendNormalized(concepts.subarray(start, start + this.dim))
        context.push(await this.lastOutput())
      }
      const timesteps = rows.map(({ timestep }) => timestep)
      const predictions: Float32Array[] = []
      for (const [step, { noisy, visible }] of rows.entries()) {
        predictions.push(await (await this.#network(timesteps, visible))(noisy, step, false))
      }
      return { context, predictions, embeddings: await runTimesteps(this.#parts.graphs.modulation, timesteps, 'embedding') }
    })
  }

  protected override async read(concept: Float32Array, position: number): Promise<ReadConcept> {
    const { graphs, context } = this.#parts
    const input = { concept, position, past: this.stateOf(0, position) }
    const read = await readConcept(graphs.contextualizer, context, input, ['row', 'cross row', 'context'])
    return { state: [read.row, read['cross row']], output: read.context }
  }

  protected override predictNormalized(options: PredictOptions): Promise<Float32Array> {
    const { scheduler, schedule } = this.#parts
    return denoise(options, { dim: this.dim, scheduler, schedule, network: (timesteps) => this.#network(timesteps, this.length) })
  }

  /** The denoiser with the first `visible` concepts in view. */
  async #network(timesteps: readonly number[], visible: number): Promise<DenoisingPass> {
    const { graphs, denoiser } = this.#parts
    const key = timesteps.join()
    if (this.#modulation.timesteps !== key) {
      this.#modulation = { timesteps: key, table: await runTimesteps(graphs.modulation, timesteps, 'modulation') }
    }
    const { table } = this.#modulation
    const width = table.length / timesteps.length
    const past = float32(this.stateOf(1, visible), [visible, 2 * denoiser.layers * denoiser.modelDim])
    return async (latent, step, guided) => {
      const latents = guided ? Float32Array.of(...latent, ...latent) : latent
      const rows = guided ? 2 : 1
      // The unconditional row sees nothing but the zero vector, in column 0.
      const mask = new Float32Array(rows * (visible + 1)).fill(Number.NEGATIVE_INFINITY, visible + 2)
      const { prediction } = await graphs.denoiser.run(
        {
          latent: float32(latents, [rows, this.dim]),
          modulation: float32(table.subarray(step * width, (step + 1) * width), [1, width]),
          past,
          mask: float32(mask, [rows, visible + 1]),
        },
        ['prediction'],
      )
      return floats(prediction)
    }
  }
}
