import { sha256 } from '../formats/integrity'
import type { Storage } from './storage'

/** A database in memory that can be told to fail. */
export class MemoryStorage implements Storage {
  readonly values = new Map<string, unknown>()
  /** Bytes it holds before it is full. */
  room = Number.POSITIVE_INFINITY
  /** Every call rejects with this. */
  broken: Error | null = null

  async get(key: string): Promise<unknown> {
    this.#check()
    return this.values.get(key)
  }

  getMany(keys: string[]): Promise<unknown[]> {
    return Promise.all(keys.map((key) => this.get(key)))
  }

  async set(key: string, value: unknown): Promise<void> {
    this.#check()
    if (this.size + byteLength(value) > this.room) throw new DOMException('full', 'QuotaExceededError')
    this.values.set(key, value)
  }

  async setMany(entries: [key: string, value: unknown][]): Promise<void> {
    for (const [key, value] of entries) await this.set(key, value)
  }

  async delete(keys: string[]): Promise<void> {
    this.#check()
    for (const key of keys) this.values.delete(key)
  }

  async keys(): Promise<string[]> {
    this.#check()
    return [...this.values.keys()]
  }

  get size(): number {
    return Array.from(this.values.values(), byteLength).reduce((sum, bytes) => sum + bytes, 0)
  }

  #check(): void {
    if (this.broken) throw this.broken
  }
}

function byteLength(value: unknown): number {
  return value instanceof Uint8Array ? value.length : 0
}

/** A server of files by path, in place of `fetch`; counts the requests of each path. */
export class FakeServer {
  readonly requests: string[] = []
  readonly #answers = new Map<string, () => Response | Promise<Response>>()

  readonly fetch = async (url: URL | string, { signal }: RequestInit = {}): Promise<Response> => {
    const { pathname } = new URL(url)
    this.requests.push(pathname)
    signal?.throwIfAborted()
    const answer = this.#answers.get(pathname)
    return answer ? answer() : new Response('none', { status: 404 })
  }

  answer(path: string, answer: () => Response | Promise<Response>): void {
    this.#answers.set(path, answer)
  }

  file(path: string, content: Uint8Array<ArrayBuffer> | string): void {
    this.answer(path, () => new Response(content))
  }

  /** Serves a model folder of these files with a manifest that names them. */
  async model(folder: string, version: string, files: Record<string, Uint8Array<ArrayBuffer>>): Promise<void> {
    for (const [name, content] of Object.entries(files)) this.file(`${folder}/${name}`, content)
    this.file(`${folder}/manifest.json`, JSON.stringify(await manifestOf(version, files)))
  }
}

/** A manifest whose every file reference is the first of the files. */
export async function manifestOf(version: string, files: Record<string, Uint8Array<ArrayBuffer>>): Promise<unknown> {
  const file = Object.keys(files)[0]
  const entries = Object.entries(files).map(async ([name, content]) => [name, { bytes: content.length, sha256: await sha256(content) }])
  return {
    format: 'noema-model',
    formatVersion: 1,
    name: 'test',
    version,
    licence: 'MIT',
    description: 'A folder for tests.',
    files: Object.fromEntries(await Promise.all(entries)),
    space: {
      dim: 8,
      languages: [{ code: 'eng_Latn', name: 'English', token: 9 }],
      tokenizer: file,
      tokens: { pad: 0, unk: 1, bos: 2, eos: 3 },
      maxTokens: 16,
      maxCharacters: 200,
      encoder: { file },
      decoder: { conditioning: file, step: file, layers: 1, heads: 1, headDim: 8 },
      endOfText: 'End of text.',
    },
    conceptModels: {
      main: {
        family: 'two_tower',
        file,
        architecture: { sonar_dim: 8, model_dim: 8, heads: 1, context_layers: 1, denoiser_layers: 1, ffn_inner: 8, max_seq_len: 8 },
        scheduler: {
          num_diffusion_train_steps: 100,
          beta_schedule: 'squaredcos_cap_v2',
          rescale_betas_zero_snr: true,
          timestep_spacing: 'trailing',
          prediction_type: 'sample',
        },
        decoding: {
          steps: 20,
          guidanceScale: 3,
          guidanceRescale: 0.7,
          initialNoiseScale: 0.6,
          epsilonScaling: 1.00045,
          endOfTextThreshold: 0.9,
          stopOnRepetitionThreshold: 0.9,
          beam: 5,
        },
      },
    },
    defaultConceptModel: 'main',
  }
}

/** Bytes that differ from seed to seed. */
export function content(seed: number, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17) & 255)
}
