import type { Manifest } from '../formats/manifest'
import type { OnProgress, Progress } from '../progress'

/** Reports the bytes of all files of a model: at most a few hundred times, and never fewer than before, whichever tab they came in. */
export class LoadProgress {
  readonly #onProgress: OnProgress | undefined
  /** Most of each stage so far. */
  readonly #reported = { download: 0, verify: 0, compile: 0 }
  #total = 0
  #finished = 0
  #lastStep = 0
  /** Called with every report of bytes that this tab downloads. */
  onDownload: OnProgress = () => undefined

  constructor(onProgress: OnProgress | undefined) {
    this.#onProgress = onProgress
  }

  /** Starts to count the files of a version. */
  begin({ files }: Manifest): void {
    this.#total = Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0)
    this.#finished = 0
    this.#lastStep = 0
  }

  /** @param bytes how many of the file there are. */
  loaded(file: string, bytes: number): void {
    const loaded = this.#finished + bytes
    if (loaded - this.#lastStep < this.#total / 200) return
    this.#lastStep = loaded
    const progress: Progress = { stage: 'download', file, loaded, total: this.#total }
    this.onDownload(progress)
    this.report(progress)
  }

  /** The file is there and verified. */
  finished(file: string, bytes: number): void {
    this.#finished += bytes
    this.#lastStep = this.#finished
    for (const stage of ['download', 'verify'] as const) this.report({ stage, file, loaded: this.#finished, total: this.#total })
  }

  /** Hands on a report unless it would go back. */
  report(progress: Progress): void {
    if (progress.loaded < this.#reported[progress.stage]) return
    this.#reported[progress.stage] = progress.loaded
    this.#onProgress?.(progress)
  }
}
