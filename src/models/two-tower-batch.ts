import type { Program } from '../gpu'
import { CachedBatch } from './cached-batch'
import type { NoiseSource } from './concept-model'
import { Denoiser } from './denoiser'
import { modulationTables } from './modulation'
import { type SampleOptions, Sampler } from './sampler'
import type { StateColumn } from './state-rows'
import type { TwoTowerParts } from './two-tower'

/** Documents that a Two-Tower model continues together. */
export class TwoTowerBatch extends CachedBatch {
  readonly #parts: TwoTowerParts
  readonly #denoiser: Denoiser
  readonly #sampler: Sampler

  /** For `TwoTower.batch`. */
  constructor(parts: TwoTowerParts, documents: number, room: number) {
    super(parts, documents, room)
    const { gpu, kernels, ddimStep, modulation, scheduler, schedule } = parts
    const { cursor } = this
    const denoiser = new Denoiser(gpu, kernels, parts.denoiser, cursor, room, this.size)
    const tables = (timesteps: readonly number[]) => modulationTables(gpu, kernels, modulation, timesteps)
    this.#parts = parts
    this.#denoiser = denoiser
    this.#sampler = new Sampler(gpu, { denoiser, ddimStep, cursor, memory: this, tables, scheduler, schedule })
    parts.users++
  }

  override dispose(): void {
    super.dispose()
    this.#denoiser.destroy()
    this.#sampler.destroy()
    if (--this.#parts.users === 0) this.#parts.weights.destroy()
  }

  protected override predictNormalized(noise: readonly NoiseSource[], options: Omit<SampleOptions, 'noise'>): Promise<Float32Array> {
    return this.#sampler.sample({ ...options, noise })
  }

  protected override get columns(): StateColumn[] {
    return [...super.columns, ...this.#denoiser.columns]
  }

  protected override recordContext(program: Program, rows: number): void {
    this.#denoiser.recordContext(program, this.reader.output, rows, true)
  }
}
