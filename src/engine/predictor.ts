import { throwIfAborted } from '../errors'
import type { ConceptModelManifest } from '../formats/concept-model-manifest'
import { parseSafetensors, type TensorSource } from '../formats/safetensors'
import type { Gpu } from '../gpu'
import { BaseLcm } from '../models/base-lcm'
import type { ConceptModel } from '../models/concept-model'
import { generate, type StopReason, seededNoise } from '../models/generate'
import { OneTower } from '../models/one-tower'
import { TwoTower } from '../models/two-tower'
import type { ConceptStates } from '../store/concept-states'
import { DocumentMemory } from './document-memory'
import type { RowCounts, SamplingSettings } from './protocol'
import { samplingOptions } from './sampling'

export interface PredictorSettings {
  seed: number
  sampling: SamplingSettings
  signal: AbortSignal
}

/** A generated concept, raw [dim], and, where it was asked for, the way to it, raw [steps, dim]. */
export interface PredictedConcept {
  embedding: Float32Array
  trajectory?: Float32Array
  milliseconds: number
}

/** What a predictor is made of beside its manifest. */
export interface PredictorParts {
  weights: Uint8Array
  /** Raw concept of the sentence that ends a document. */
  endOfText: Float32Array
  states: ConceptStates
  /** See `DocumentMemory`. */
  identity: string
}

/** A concept model with the decoding defaults of its manifest. What it knows of a document is reused from call to call and visit to visit. */
export class Predictor {
  readonly #model: ConceptModel
  readonly #memory: DocumentMemory
  readonly #manifest: ConceptModelManifest
  /** Raw concept of the sentence that ends a document. */
  readonly #endOfText: Float32Array

  private constructor(
    model: ConceptModel,
    manifest: ConceptModelManifest,
    { endOfText, states, identity }: Omit<PredictorParts, 'weights'>,
  ) {
    this.#model = model
    this.#memory = new DocumentMemory(model, states, identity)
    this.#manifest = manifest
    this.#endOfText = endOfText
  }

  /** Uploads the weights and compiles the kernels. @throws ModelFormatError, KernelError, DeviceLost. */
  static async open(gpu: Gpu, manifest: ConceptModelManifest, { weights, ...parts }: PredictorParts): Promise<Predictor> {
    return new Predictor(await loadModel(gpu, parseSafetensors(weights), manifest), manifest, parts)
  }

  /** Most concepts a document can have, new ones included. */
  get maxLength(): number {
    return this.#model.capacity
  }

  get beam(): number {
    return this.#manifest.decoding.beam
  }

  /**
   * Brings into memory what is known of the beginning of raw concepts `[n, dim]`, to be called before `generate`.
   * @throws InvalidInput, ContextFull, DeviceLost.
   */
  recall(prompt: Float32Array): Promise<RowCounts> {
    return this.#memory.recall(prompt)
  }

  /** Resolves when what was computed so far is stored, or cannot be. */
  stored(): Promise<void> {
    return this.#memory.stored()
  }

  /** Empties the memory, once what is on its way to the store has arrived there. */
  async forget(): Promise<void> {
    await this.stored()
    this.#memory.forget()
  }

  /** Continues raw concepts `[n, dim]` that `recall` was given; the sentence that ends a document is not yielded. */
  async *generate(
    prompt: Float32Array,
    settings: PredictorSettings & { concepts: number; trajectory?: boolean },
  ): AsyncGenerator<PredictedConcept, StopReason> {
    const { endOfTextThreshold, stopOnRepetitionThreshold } = this.#manifest.decoding
    let trajectory: Float32Array | undefined
    const onTrajectory = (estimates: Float32Array) => {
      trajectory = estimates
    }
    const generation = generate(this.#model, prompt, {
      noise: seededNoise(settings.seed),
      sampling: samplingOptions(this.#manifest, settings.sampling),
      signal: settings.signal,
      maxConcepts: settings.concepts,
      endOfText: { concept: this.#endOfText, threshold: endOfTextThreshold },
      repetitionThreshold: stopOnRepetitionThreshold,
      ...(settings.trajectory && { onTrajectory }),
    })
    let isFirst = true
    try {
      let start = performance.now()
      for await (const { concept, stop } of generation) {
        const milliseconds = performance.now() - start
        // The prompt is stored while its first concept is decoded.
        if (isFirst) this.#memory.keep()
        isFirst = false
        this.#memory.extend(concept)
        if (stop === 'end-of-text') return stop
        yield { embedding: concept, milliseconds, ...(trajectory && { trajectory }) }
        if (stop) return stop
        start = performance.now()
      }
      return 'length'
    } finally {
      this.#memory.keep()
    }
  }

  /** Predicts every concept of raw concepts `[n, dim]` but the first from those before it: n − 1 vectors. */
  async predictNext(concepts: Float32Array, settings: PredictorSettings): Promise<Float32Array[]> {
    const { dim } = this.#model
    const { signal } = settings
    const [noise, sampling] = [seededNoise(settings.seed), samplingOptions(this.#manifest, settings.sampling)]
    const predicted: Float32Array[] = []
    this.#memory.forget()
    for (let position = 1; position < concepts.length / dim; position++) {
      throwIfAborted(signal)
      await this.#model.append(concepts.subarray((position - 1) * dim, position * dim), { signal })
      predicted.push(await this.#model.predict({ noise: noise(position), sampling, signal }))
    }
    return predicted
  }
}

function loadModel(gpu: Gpu, source: TensorSource, manifest: ConceptModelManifest): Promise<ConceptModel> {
  switch (manifest.family) {
    case 'two_tower':
      return TwoTower.load(gpu, source, manifest.architecture, manifest.scheduler)
    case 'one_tower':
      return OneTower.load(gpu, source, manifest.architecture, manifest.scheduler)
    case 'base_lcm':
      return BaseLcm.load(gpu, source, manifest.architecture)
  }
}
