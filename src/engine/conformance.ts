import { InvalidInput, NoemaError, throwIfAborted } from '../errors'
import type { Machine } from '../models/machine'
import { CaseField, NotCovered } from './conformance-field'
import { runBaseLcmForward, runTwoTowerForward } from './conformance-forward'
import { type CaseSettings, runBaseLcmGenerate, runTwoTowerGenerate } from './conformance-generate'
import { type CaseReport, readTolerance } from './conformance-report'
import { runSchedule, runTimesteps } from './conformance-schedules'
import { runSonarBeam, runSonarEncode, runSonarLogits } from './conformance-sonar'

export type { ArrayReport, CaseReport } from './conformance-report'

/** How each kind of case is run. */
const kinds: Record<string, (testCase: CaseField, settings: CaseSettings) => Promise<CaseReport>> = {
  two_tower_forward: runTwoTowerForward,
  two_tower_generate: runTwoTowerGenerate,
  base_lcm_forward: runBaseLcmForward,
  base_lcm_generate: runBaseLcmGenerate,
  sonar_encode: runSonarEncode,
  sonar_logits: runSonarLogits,
  sonar_beam: runSonarBeam,
  sonar_greedy: runSonarBeam,
}

const caseKeys = ['name', 'kind', 'model', 'scheduler', 'options', 'inputs', 'expected', 'tolerance', 'description', 'note', 'comment']

/**
 * Runs a parsed conformance file through the models that serve users. A kind, field or value that is not known makes its case `not covered`;
 * a case that is malformed or cannot be run is `failed`, with the reason.
 *
 * @param weights `f16` rounds every parameter to half precision and holds the results to the tolerance for that
 * @throws InvalidInput when the file as a whole is malformed, Aborted, DeviceLost.
 */
export async function runConformance(
  file: unknown,
  machine: Machine,
  signal?: AbortSignal,
  weights: 'f32' | 'f16' = 'f32',
): Promise<CaseReport[]> {
  const root = new CaseField(file, '')
  if (!['cases', 'schedules', 'timesteps'].some((key) => root.at(key).given)) {
    throw new InvalidInput('This is no conformance file: it has no cases, schedules or timesteps.')
  }
  const reports: CaseReport[] = []
  const unknown = root.keys().filter((key) => !['meta', 'cases', 'schedules', 'timesteps'].includes(key))
  for (const key of unknown)
    reports.push({ name: key, kind: key, status: 'not covered', reason: `The field ${key} is not known.`, arrays: [] })
  if (root.at('schedules').given) {
    for (const name of root.at('schedules').keys()) {
      reports.push(await report(name, 'schedule', async () => runSchedule(name, root.at('schedules').at(name), root)))
    }
  }
  if (root.at('timesteps').given) {
    for (const name of root.at('timesteps').keys()) {
      reports.push(await report(name, 'timesteps', async () => runTimesteps(name, root.at('timesteps').at(name))))
    }
  }
  for (const testCase of root.at('cases').given ? root.at('cases').list() : []) {
    throwIfAborted(signal)
    const [name, kind] = [testCase.at('name').text(), testCase.at('kind').text()]
    reports.push(
      await report(name, kind, async () => {
        const run = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined
        if (!run) throw new NotCovered(`The kind ${kind} is not covered.`)
        testCase.only(caseKeys)
        return run(testCase, { machine, signal, weights, tolerance: readTolerance(testCase, root, weights) })
      }),
    )
  }
  return reports
}

async function report(name: string, kind: string, run: () => Promise<CaseReport>): Promise<CaseReport> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof NotCovered) return { name, kind, status: 'not covered', reason: error.message, arrays: [] }
    if (error instanceof NoemaError && !['aborted', 'device-lost'].includes(error.code)) {
      return { name, kind, status: 'failed', reason: error.message, arrays: [] }
    }
    throw error
  }
}
