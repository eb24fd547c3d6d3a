/** Longest that one submission should keep the GPU: short enough to abort promptly and never to look like a hang to the browser. */
const submissionMilliseconds = 100

/** Decides how many denoising steps go into one submission, from how long earlier ones took. */
export class Pacer {
  #stepMilliseconds = Number.POSITIVE_INFINITY

  /** Steps to submit next, 1 … `remaining`: one until anything has been measured. */
  steps(remaining: number): number {
    return Math.max(1, Math.min(remaining, Math.floor(submissionMilliseconds / this.#stepMilliseconds)))
  }

  measured(steps: number, milliseconds: number): void {
    this.#stepMilliseconds = Math.max(milliseconds, 0.001) / steps
  }
}
