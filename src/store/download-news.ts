import type { OnProgress, Progress } from '../progress'

/** What the tabs of this origin tell each other about the download of one model folder. */
export class DownloadNews {
  readonly #channel = new BroadcastChannel('noema-downloads')
  readonly #folder: string

  /** @param folder the folder's absolute URL. */
  constructor(folder: string) {
    this.#folder = folder
  }

  announce(progress: Progress): void {
    this.#channel.postMessage({ folder: this.#folder, progress })
  }

  /** Hands on what another tab announces, until `ignore` or `close`. */
  listen(onProgress: OnProgress): void {
    this.#channel.onmessage = ({ data }) => {
      const progress = parseDownloadNews(data, this.#folder)
      if (progress) onProgress(progress)
    }
  }

  ignore(): void {
    this.#channel.onmessage = null
  }

  close(): void {
    this.#channel.close()
  }
}

/** The progress of a folder's download in a message from a tab that may run another version of this library; null for any other message. */
export function parseDownloadNews(message: unknown, folder: string): Progress | null {
  const { folder: found, progress } = fields(message)
  const { stage, file, loaded, total } = fields(progress)
  if (found !== folder || stage !== 'download' || typeof file !== 'string') return null
  if (!isCount(loaded) || !isCount(total) || loaded > total) return null
  return { stage, file, loaded, total }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
