import { beforeAll, expect, test } from 'vitest'
import lcm from '../../../shared/conformance/lcm.json'
import schedules from '../../../shared/conformance/schedules.json'
import sonar from '../../../shared/conformance/sonar.json'
import { type Gpu, requestGpu } from '../gpu'
import { type CaseReport, runConformance } from './conformance'

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})

test('every case of lcm.json passes', async () => {
  const reports = await runConformance(lcm, gpu)
  for (const report of reports) console.log(describe(report))
  expect(reports.map(({ name, status }) => [name, status])).toEqual(lcm.cases.map(({ name }) => [name, 'passed']))
})

function describe({ name, status, reason, arrays }: CaseReport): string {
  const worst = arrays.map(({ name, maxRelative }) => `${name} ${maxRelative.toExponential(2)}`)
  return `${name}: ${status}; ${worst.join(', ')}${reason ? ` ${reason}` : ''}`
}
