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

type Answer = (range: string | null) => Response | Promise<Response>

/** A server of files by path, in place of `fetch`; notes the path and the range of each request. */
export class FakeServer {
  readonly requests: string[] = []
  readonly ranges: (string | null)[] = []
  readonly #answers = new Map<string, Answer>()

  readonly fetch = async (url: URL | string, { signal, headers }: RequestInit = {}): Promise<Response> => {
    const { pathname } = new URL(url)
    const range = new Headers(headers).get('range')
    this.requests.push(pathname)
    this.ranges.push(range)
    signal?.throwIfAborted()
    const answer = this.#answers.get(pathname)
    return answer ? answer(range) : new Response('none', { status: 404 })
  }

  answer(path: string, answer: Answer): void {
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
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + seed * 17) & 255
  return bytes
}

/** Web Locks of several tabs: one holder of a name at a time, in the order asked. */
export class FakeLocks {
  readonly #last = new Map<string, Promise<unknown>>()

  request<T>(name: string, { signal }: { signal?: AbortSignal }, task: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(name) ?? Promise.resolve()).then(() => {
      signal?.throwIfAborted()
      return task()
    })
    this.#last.set(
      name,
      turn.catch(() => undefined),
    )
    const aborted = new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
    return Promise.race([turn, aborted])
  }
}

/** A response whose body gives these pieces and then waits, ends or breaks. */
export function streamed(pieces: Uint8Array[], end: 'close' | 'break' | 'hang', options?: ResponseInit): Response {
  const rest = [...pieces]
  const body = new ReadableStream({
    pull(controller) {
      const piece = rest.shift()
      if (piece) controller.enqueue(piece)
      else if (end === 'close') controller.close()
      else if (end === 'break') controller.error(new TypeError('network error'))
      else return new Promise<void>(() => undefined)
    },
  })
  return new Response(body, options)
}
