import { throwIfAborted } from '../errors'
import type { ConceptModelManifest } from '../formats/concept-model-manifest'
import { parseSafetensors, type TensorSource } from '../formats/safetensors'
import type { ConceptModel } from '../models/concept-model'
import { generate, type StopReason, seededNoise } from '../models/generate'
import { type ConceptOfMany, generateMany } from '../models/generate-many'
import { loadBaseLcm, loadOneTower, loadQuantLcm, loadTwoTower, type Machine } from '../models/machine'
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

  /** Makes the model ready on a machine. @throws ModelFormatError, KernelError, DeviceLost. */
  static async open(machine: Machine, manifest: ConceptModelManifest, { weights, ...parts }: PredictorParts): Promise<Predictor> {
    return new Predictor(await loadConceptModel(machine, parseSafetensors(weights), manifest), manifest, parts)
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

  dispose(): void {
    this.#model.dispose()
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

  /**
   * Continues documents of raw concepts [n, dim] together, each as `generate` would alone; yields what was predicted together, sentences that end
   * a document included. Documents that begin alike may share one array.
   * @returns for each document where the state of its prompt came from.
   */
  async *generateMany(
    documents: readonly { prompt: Float32Array; seed: number }[],
    { concepts, sampling, signal }: Omit<PredictorSettings, 'seed'> & { concepts: number },
  ): AsyncGenerator<{ concepts: ConceptOfMany[]; milliseconds: number }, RowCounts[]> {
    const { endOfTextThreshold, stopOnRepetitionThreshold } = this.#manifest.decoding
    const rows = new Map<Float32Array, RowCounts>()
    const read = async (prompt: Float32Array) => {
      rows.set(prompt, await this.#memory.recall(prompt))
      await this.#model.append(prompt.subarray(this.#model.length * this.#model.dim), { signal })
      this.#memory.keep()
    }
    const prompts = documents.map(({ prompt, seed }) => ({ prompt, noise: seededNoise(seed) }))
    const generation = generateMany(this.#model, prompts, {
      read,
      sampling: samplingOptions(this.#manifest, sampling),
      signal,
      maxConcepts: concepts,
      endOfText: { concept: this.#endOfText, threshold: endOfTextThreshold },
      repetitionThreshold: stopOnRepetitionThreshold,
    })
    let start = performance.now()
    for await (const concepts of generation) {
      yield { concepts, milliseconds: performance.now() - start }
      start = performance.now()
    }
    return documents.map(({ prompt }) => rows.get(prompt)!)
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

/** The model that an entry of a manifest describes, with its weights. @throws ModelFormatError, KernelError. */
export function loadConceptModel(machine: Machine, source: TensorSource, manifest: ConceptModelManifest): Promise<ConceptModel> {
  switch (manifest.family) {
    case 'two_tower':
      return loadTwoTower(machine, source, manifest.architecture, manifest.scheduler)
    case 'one_tower':
      return loadOneTower(machine, source, manifest.architecture, manifest.scheduler)
    case 'base_lcm':
      return loadBaseLcm(machine, source, manifest.architecture)
    case 'quant_lcm_c':
    case 'quant_lcm_d':
      return loadQuantLcm(machine, source, manifest.family, manifest.architecture)
  }
}
