import { InvalidInput, serializeError, throwIfAborted, WebGpuUnavailable } from '../errors'
import type { Manifest } from '../formats/manifest'
import { type Gpu, type GpuInfo, requestGpu } from '../gpu'
import type { OnProgress } from '../progress'
import { Space } from '../space/space'
import { ConceptStates } from '../store/concept-states'
import { EncodedSentences } from '../store/encoded-sentences'
import type { MemorySource } from '../store/memory-chunk'
import { loadModelFiles, type ModelFiles } from '../store/model-files'
import { prefixChain } from '../store/prefix-chain'
import type { ConceptMemory } from './concept-memory'
import { despiteLoss, joined } from './device-loss'
import { spaceFingerprint, stateIdentity } from './fingerprint'
import { Predictor } from './predictor'
import type { Backend, DeviceInfo, ModelInfo } from './protocol'
import { describeConceptModel } from './sampling'
import { SentenceCache } from './sentence-cache'

export interface LoadedModelOptions {
  backend: Backend
  signal: AbortSignal
  onProgress: OnProgress
  onDeviceLost: (message: string) => void
}

/** A model folder in use: its files, its space, and, where there is a GPU, its concept models. */
export class LoadedModel {
  readonly space: Space
  readonly #files: ModelFiles
  /** Differs wherever encoding the same sentence could give another vector. */
  readonly spaceFingerprint: string
  readonly #sentences: SentenceCache
  readonly #states = new ConceptStates()
  #memory: Promise<ConceptMemory> | undefined
  readonly #predictors = new Map<string, Promise<Predictor>>()
  #gpu: Gpu | undefined
  /** The adapter that was used last. */
  #adapter: GpuInfo | undefined
  readonly #onDeviceLost: (message: string) => void
  /** Why there is no GPU, when there is none. */
  #refusal: WebGpuUnavailable | undefined

  private constructor(files: ModelFiles, space: Space, fingerprint: string, onDeviceLost: (message: string) => void) {
    this.#onDeviceLost = onDeviceLost
    this.#files = files
    this.space = space
    this.spaceFingerprint = fingerprint
    this.#sentences = new SentenceCache(space, new EncodedSentences({ fingerprint, dim: space.dim }))
  }

  /**
   * Fetches and checks every file, opens the space, and makes the default concept model ready.
   *
   * @param options.onDeviceLost called once for every GPU device that is lost as long as the model is in use.
   * @throws as `load` in `src/api/load.ts`.
   */
  static async load(url: string, { backend, signal, onProgress, onDeviceLost }: LoadedModelOptions): Promise<LoadedModel> {
    const files = await loadModelFiles(url, { signal, onProgress })
    const { manifest } = files
    // The concept model is one part more than the space's.
    let parts = 0
    const onSpaceProgress: OnProgress = ({ loaded, total, ...progress }) => {
      parts = total + 1
      onProgress({ ...progress, loaded, total: parts })
    }
    const space = await Space.load(files.contents, manifest, onSpaceProgress)
    const model = new LoadedModel(files, space, await spaceFingerprint(manifest), onDeviceLost)
    try {
      throwIfAborted(signal)
      onProgress({ stage: 'compile', file: `concept model ${manifest.defaultConceptModel}`, loaded: parts - 1, total: parts })
      await model.#warmUp(signal).catch((error) => {
        if (!(error instanceof WebGpuUnavailable) || backend === 'webgpu') throw error
      })
      throwIfAborted(signal)
      onProgress({ stage: 'compile', file: 'everything', loaded: parts, total: parts })
      return model
    } catch (error) {
      model.dispose()
      throw error
    }
  }

  get manifest(): Manifest {
    return this.#files.manifest
  }

  /** Beam size of the default concept model. */
  get beam(): number {
    const { conceptModels, defaultConceptModel } = this.manifest
    return conceptModels[defaultConceptModel]!.decoding.beam
  }

  get info(): ModelInfo {
    const { name, version, licence, space, conceptModels, defaultConceptModel } = this.manifest
    const { warning } = this.#files
    return {
      name,
      version,
      licence,
      dim: space.dim,
      languages: space.languages.map(({ code, name }) => ({ code, name })),
      maxCharacters: space.maxCharacters,
      conceptModels: Object.fromEntries(Object.entries(conceptModels).map(([name, entry]) => [name, describeConceptModel(entry)])),
      defaultConceptModel,
      device: this.#device,
      storage: { stored: this.#files.stored, persistent: false, warning: warning && serializeError(warning) },
    }
  }

  /** The GPU, opened at first need and again after it was lost. @throws WebGpuUnavailable. */
  async gpu(): Promise<Gpu> {
    if (this.#gpu && !this.#gpu.hasEnded) return this.#gpu
    this.#gpu = undefined
    this.#predictors.clear()
    const gpu = await requestGpu().catch((error) => {
      if (error instanceof WebGpuUnavailable) this.#refusal = error
      throw error
    })
    gpu.lost.then(({ message }) => this.#onDeviceLost(message))
    this.#gpu = gpu
    this.#adapter = gpu.info
    return gpu
  }

  /**
   * A concept model of the folder, its weights uploaded at first need and again when the device was lost.
   *
   * @param name default: the manifest's default.
   * @throws InvalidInput for a name the folder does not have; WebGpuUnavailable; ModelFormatError; DeviceLost.
   */
  async conceptModel(name = this.manifest.defaultConceptModel): Promise<Predictor> {
    if (!Object.hasOwn(this.manifest.conceptModels, name)) {
      throw new InvalidInput(`There is no concept model "${name}" here: use ${Object.keys(this.manifest.conceptModels).join(' or ')}.`)
    }
    const gpu = await this.gpu()
    let predictor = this.#predictors.get(name)
    if (!predictor) {
      predictor = this.#open(gpu, name)
      this.#predictors.set(name, predictor)
      predictor.catch(() => this.#predictors.delete(name))
    }
    return predictor
  }

  /** Sentences remembered with where they came from. Its code is loaded at first need: most pages remember nothing. */
  memory(): Promise<ConceptMemory> {
    this.#memory ??= import('./concept-memory').then(
      ({ ConceptMemory }) => new ConceptMemory({ fingerprint: this.spaceFingerprint, dim: this.space.dim }, () => this.gpu()),
    )
    return this.#memory
  }

  /** Sentences → raw concepts `[n, dim]`; a sentence met before, on an earlier visit too, is not encoded again. */
  encode(sentences: readonly string[], language: string, signal?: AbortSignal): Promise<Float32Array> {
    return this.#sentences.encode(sentences, language, signal)
  }

  /** Removes sentences from everything that is kept of them. */
  forgetSentences(sentences: readonly string[], language: string): Promise<void> {
    return this.#sentences.forget(sentences, language)
  }

  /** Removes the state of a document of raw concepts `[n, dim]`, for every concept model of the folder on this GPU. */
  async forgetStates(concepts: Float32Array): Promise<void> {
    if (!this.#adapter) return
    for (const predictor of this.#predictors.values()) await (await predictor).forget()
    for (const name of Object.keys(this.manifest.conceptModels)) {
      const identity = await stateIdentity(this.#files.fingerprint, name, this.#adapter)
      await this.#states.forget(await prefixChain(identity, concepts, this.space.dim))
    }
  }

  /**
   * Removes a source from the concept memory, or all of it, and the encodings of its sentences. It may have been recalled before any document, so
   * the states of all documents go as well.
   */
  async forgetMemory(source?: MemorySource): Promise<void> {
    const memory = await this.memory()
    const texts = source && (await memory.texts(source))
    await memory.forget(source)
    for (const predictor of this.#predictors.values()) await (await predictor).forget()
    await this.#states.clear()
    if (!texts) await this.#sentences.clear()
    else for (const [language, group] of texts) await this.forgetSentences(group, language)
  }

  dispose(): void {
    this.space.dispose()
    this.#gpu?.destroy()
  }

  /** Does everything once, so that no call waits for what is compiled at its first use. @throws what keeps concepts from being predicted. */
  async #warmUp(signal: AbortSignal): Promise<void> {
    const { endOfText, maxTokens: longest } = this.manifest.space
    const maxTokens = Math.min(12, longest)
    const concept = await this.space.encode([endOfText], { language: 'eng_Latn', signal })
    const predicting = despiteLoss(async () => {
      const predictor = await this.conceptModel()
      await predictor.predictNext(joined([concept, concept]), { seed: 0, sampling: {}, signal })
    })
    const decoding = this.space.decode(concept, { language: 'eng_Latn', beam: this.beam, maxTokens, signal })
    const [predicted] = await Promise.allSettled([predicting, decoding])
    if (predicted.status === 'rejected') throw predicted.reason
  }

  async #open(gpu: Gpu, name: string): Promise<Predictor> {
    const { space, conceptModels } = this.manifest
    const endOfText = await this.encode([space.endOfText], 'eng_Latn')
    const entry = conceptModels[name]!
    const weights = this.#files.contents.get(entry.file) as Uint8Array
    const identity = await stateIdentity(this.#files.fingerprint, name, gpu.info)
    return Predictor.open(gpu, entry, { weights, endOfText, states: this.#states, identity })
  }

  get #device(): DeviceInfo {
    if (!this.#gpu) return { gpu: false, reason: this.#refusal?.message ?? 'No concept model is open.' }
    const { description, vendor, architecture, software, features, limits } = this.#gpu.info
    return { gpu: true, software, description: description || `${vendor} ${architecture}`.trim() || 'an unnamed adapter', features, limits }
  }
}
