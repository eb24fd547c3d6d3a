import { InvalidInput, NoConceptModel, serializeError, throwIfAborted, WebGpuUnavailable } from '../errors'
import type { Manifest } from '../formats/manifest'
import { type Gpu, type GpuInfo, requestGpu } from '../gpu'
import type { Machine } from '../models/machine'
import { runtime } from '../onnx'
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

const processorChosen = 'The processor was chosen: load with backend "auto" to use a GPU.'

export interface LoadedModelOptions {
  backend: Backend
  signal: AbortSignal
  onProgress: OnProgress
  onDeviceLost: (message: string) => void
}

/** A model folder in use: its files, its space and its concept models. */
export class LoadedModel {
  readonly space: Space
  readonly #files: ModelFiles
  readonly #backend: Backend
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

  private constructor(files: ModelFiles, space: Space, fingerprint: string, { backend, onDeviceLost }: LoadedModelOptions) {
    this.#onDeviceLost = onDeviceLost
    this.#files = files
    this.#backend = backend
    this.space = space
    this.spaceFingerprint = fingerprint
    this.#sentences = new SentenceCache(space, new EncodedSentences({ fingerprint, dim: space.dim }))
  }

  /**
   * Fetches and checks every file, opens the space, and makes the default concept model, where there is one, ready.
   *
   * @param options.onDeviceLost called once for every GPU device that is lost as long as the model is in use.
   * @throws as `load` in `src/api/load.ts`.
   */
  static async load(url: string, options: LoadedModelOptions): Promise<LoadedModel> {
    const { signal, onProgress } = options
    const files = await loadModelFiles(url, { signal, onProgress })
    const { manifest } = files
    const { defaultConceptModel } = manifest
    // The concept model is one part more than the space's.
    let parts = 0
    const onSpaceProgress: OnProgress = ({ loaded, total, ...progress }) => {
      parts = defaultConceptModel ? total + 1 : total
      onProgress({ ...progress, loaded, total: parts })
    }
    const space = await Space.load(files.contents, manifest, onSpaceProgress)
    const model = new LoadedModel(files, space, await spaceFingerprint(manifest), options)
    try {
      throwIfAborted(signal)
      if (defaultConceptModel) {
        onProgress({ stage: 'compile', file: `concept model ${defaultConceptModel}`, loaded: parts - 1, total: parts })
      }
      await model.#warmUp(signal)
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

  /** How vectors are put into words where a call says nothing of it: the space's way, else by the default concept model's beam, 5 without one. */
  get decoding(): ModelInfo['decoding'] {
    const { space, conceptModels, defaultConceptModel } = this.manifest
    return space.decoding ?? { beam: conceptModels[defaultConceptModel]?.decoding.beam ?? 5, nearest: false }
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
      decoding: this.decoding,
      conceptModels: Object.fromEntries(Object.entries(conceptModels).map(([name, entry]) => [name, describeConceptModel(entry)])),
      defaultConceptModel,
      device: this.#device,
      storage: { stored: this.#files.stored, persistent: false, warning: warning && serializeError(warning) },
    }
  }

  /** What concept models run on. @throws WebGpuUnavailable when nothing but WebGPU will do. */
  async machine(): Promise<Machine> {
    return this.gpu().catch((error) => {
      if (error instanceof WebGpuUnavailable && this.#backend !== 'webgpu') return 'wasm'
      throw error
    })
  }

  /** The GPU, opened at first need and again after it was lost. @throws WebGpuUnavailable, where the processor was asked for too. */
  async gpu(): Promise<Gpu> {
    if (this.#backend === 'wasm') throw new WebGpuUnavailable(processorChosen)
    this.#dropLost()
    if (this.#gpu) return this.#gpu
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
   * A concept model of the folder, made ready at first need and again when its device was lost or it was dropped.
   *
   * @param name default: the manifest's default.
   * @throws NoConceptModel for a folder without any; InvalidInput for a name the folder does not have; WebGpuUnavailable; ModelFormatError;
   * DeviceLost.
   */
  async conceptModel(name = this.manifest.defaultConceptModel): Promise<Predictor> {
    if (!this.manifest.defaultConceptModel) {
      throw new NoConceptModel(
        'This model folder has no concept model: it encodes, decodes and translates. To continue texts, load a folder that has one.',
        { model: this.manifest.name },
      )
    }
    if (!Object.hasOwn(this.manifest.conceptModels, name)) {
      throw new InvalidInput(`There is no concept model "${name}" here: use ${Object.keys(this.manifest.conceptModels).join(' or ')}.`)
    }
    this.#dropLost()
    let predictor = this.#predictors.get(name)
    if (!predictor) {
      const opening = this.#open(name)
      this.#predictors.set(name, opening)
      opening.catch(() => this.#predictors.get(name) === opening && this.#predictors.delete(name))
      predictor = opening
    }
    return predictor
  }

  /** Sentences remembered with where they came from. Its code is loaded at first need: most pages remember nothing. */
  memory(): Promise<ConceptMemory> {
    this.#memory ??= import('./concept-memory').then(
      ({ ConceptMemory }) => new ConceptMemory({ fingerprint: this.spaceFingerprint, dim: this.space.dim }, () => this.#searchingGpu()),
    )
    return this.#memory
  }

  /** The sentences of a text. @throws InvalidInput, UnsupportedLanguage. */
  sentences(text: string, language: string): string[] {
    return this.space.split(text, language).map(({ text }) => text)
  }

  /** Sentences → raw concepts `[n, dim]`; a sentence met before, on an earlier visit too, is not encoded again. */
  encode(sentences: readonly string[], language: string, signal?: AbortSignal): Promise<Float32Array> {
    return this.#sentences.encode(sentences, language, signal)
  }

  /** Removes sentences from everything that is kept of them. */
  forgetSentences(sentences: readonly string[], language: string): Promise<void> {
    return this.#sentences.forget(sentences, language)
  }

  /** Removes the state of a document of raw concepts `[n, dim]`, for every concept model of the folder on this GPU and on the processor. */
  async forgetStates(concepts: Float32Array): Promise<void> {
    for (const predictor of this.#predictors.values()) await (await predictor).forget()
    const machines = this.#adapter ? [this.#adapter, 'wasm' as const] : ['wasm' as const]
    for (const name of Object.keys(this.manifest.conceptModels)) {
      for (const machine of machines) {
        const identity = await stateIdentity(this.#files.fingerprint, name, machine)
        await this.#states.forget(await prefixChain(identity, concepts, this.space.dim))
      }
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

  /** Frees the concept models; each is made ready anew at its next use. */
  dropConceptModels(): void {
    for (const predictor of this.#predictors.values()) predictor.then((opened) => opened.dispose()).catch(() => undefined)
    this.#predictors.clear()
  }

  dispose(): void {
    this.space.dispose()
    this.dropConceptModels()
    this.#gpu?.destroy()
  }

  /** Does everything once, so that no call waits for what is compiled at its first use. @throws what keeps concepts from being predicted. */
  async #warmUp(signal: AbortSignal): Promise<void> {
    const { defaultConceptModel, space } = this.manifest
    const concept = await this.space.encode([space.endOfText], { language: 'eng_Latn', signal })
    const predict = async () => {
      const predictor = await this.conceptModel()
      await predictor.predictNext(joined([concept, concept]), { seed: 0, sampling: {}, signal })
    }
    const [predicted] = await Promise.allSettled([
      defaultConceptModel && despiteLoss(predict),
      // Drawn: the code of beam search is to be loaded by those only who need it.
      this.space.decode(concept, {
        language: 'eng_Latn',
        sampling: { random: () => () => 0 },
        maxTokens: Math.min(12, space.maxTokens),
        signal,
      }),
    ])
    if (predicted.status === 'rejected') throw predicted.reason
  }

  /** @throws WebGpuUnavailable for an adapter that runs shaders on the processor too: it searches many times slower than the processor by itself. */
  async #searchingGpu(): Promise<Gpu> {
    const gpu = await this.gpu()
    if (gpu.info.software) throw new WebGpuUnavailable('This adapter runs on the processor, which searches sooner without it.')
    return gpu
  }

  /** Lets go of a device that was lost, and of what was on it. */
  #dropLost(): void {
    if (!this.#gpu?.hasEnded) return
    this.#gpu = undefined
    this.#predictors.clear()
  }

  async #open(name: string): Promise<Predictor> {
    const machine = await this.machine()
    const { space, conceptModels } = this.manifest
    const endOfText = await this.encode([space.endOfText], 'eng_Latn')
    const entry = conceptModels[name]!
    const weights = this.#files.contents.get(entry.file) as Uint8Array
    const identity = await stateIdentity(this.#files.fingerprint, name, machine === 'wasm' ? machine : machine.info)
    return Predictor.open(machine, entry, { weights, endOfText, states: this.#states, identity })
  }

  get #device(): DeviceInfo {
    if (!this.#gpu) return { backend: 'wasm', threads: runtime.threads, reason: this.#refusal?.message ?? processorChosen }
    const { description, vendor, architecture, software, features, limits } = this.#gpu.info
    return {
      backend: 'webgpu',
      software,
      description: description || `${vendor} ${architecture}`.trim() || 'an unnamed adapter',
      features,
      limits,
    }
  }
}
