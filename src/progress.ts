/** The one progress shape. `total` is known from the start; `loaded` never decreases within a stage. */
export interface Progress {
  /** `download` counts bytes of all files, `verify` bytes hashed, `compile` steps of making sessions and kernels ready. */
  stage: 'download' | 'verify' | 'compile'
  /** The file or part being worked on. */
  file: string
  loaded: number
  total: number
}

export type OnProgress = (progress: Progress) => void
