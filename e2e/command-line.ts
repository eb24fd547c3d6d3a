import { execFile } from 'node:child_process'
import { resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')

interface Outcome {
  exitCode: number
  stdout: string
  stderr: string
}

/** Runs the `noema` command to its end, as `npm run noema` does. */
export function noema(...parameters: string[]): Promise<Outcome> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      ['--import', 'tsx', 'cli/noema.ts', ...parameters],
      { cwd: root, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        done({ exitCode: error ? Number(error.code ?? 1) : 0, stdout, stderr })
      },
    )
  })
}
