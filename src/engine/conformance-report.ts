import { type CaseField, NotCovered } from './conformance-field'

/** How far one output array is from the reference's. */
export interface ArrayReport {
  name: string
  /** max |got − ref| */
  maxAbsolute: number
  /** max |got − ref| / max |ref| */
  maxRelative: number
  /** Where the largest difference is. */
  worst: { index: number; got: number; expected: number }
}

/** How one case of a conformance file came out. */
export interface CaseReport {
  name: string
  kind: string
  status: 'passed' | 'failed' | 'not covered'
  /** Why a case failed for another reason than a difference, or was not covered. */
  reason?: string
  arrays: ArrayReport[]
}

/** Largest difference allowed, relative to the largest expected magnitude of the array, or absolute. */
export type Tolerance = { relative: number } | { absolute: number }

export const exact: Tolerance = { absolute: 0 }

/** One output to compare. */
export interface Output {
  name: string
  got: ArrayLike<number>
  expected: ArrayLike<number>
  tolerance: Tolerance
}

/** The report on a case's outputs; it fails for a difference beyond the tolerance, another size, or a number that is not finite. */
export function compare(name: string, kind: string, outputs: readonly Output[]): CaseReport {
  const arrays: ArrayReport[] = []
  const reasons: string[] = []
  for (const output of outputs) {
    if (output.got.length !== output.expected.length) {
      reasons.push(`${output.name} has ${output.got.length} numbers where the reference has ${output.expected.length}.`)
      continue
    }
    const report = difference(output)
    arrays.push(report)
    const { tolerance } = output
    const within = 'relative' in tolerance ? report.maxRelative <= tolerance.relative : report.maxAbsolute <= tolerance.absolute
    if (!within) reasons.push(`${output.name} differs by more than ${JSON.stringify(tolerance)}.`)
  }
  if (outputs.length === 0) throw new NotCovered('The case expects nothing that this runner computes.')
  return {
    name,
    kind,
    status: reasons.length === 0 ? 'passed' : 'failed',
    ...(reasons.length > 0 && { reason: reasons.join(' ') }),
    arrays,
  }
}

/**
 * The relative tolerance that applies to a case: its own before the file's, under `f32` or `f16_weights`; a number or the README's wording.
 * @throws NotCovered when it is in neither form.
 */
export function readTolerance(testCase: CaseField, file: CaseField, weights: 'f32' | 'f16'): Tolerance {
  const defaults = { f32: 2e-5, f16_weights: 5e-3 }
  const key = weights === 'f32' ? 'f32' : 'f16_weights'
  const own = testCase.at('tolerance')
  const meta = file.at('meta')
  for (const field of [own, meta.given ? meta.at('tolerance') : meta]) {
    if (!field.given) continue
    const isObject = typeof field.value === 'object'
    if (field === own && isObject) field.only(Object.keys(defaults))
    const value = isObject ? field.at(key) : field
    if (!value.given) continue
    const relative = typeof value.value === 'string' ? Number(/<=\s*([\d.e+-]+)\s*\*\s*max\|ref\|/.exec(value.value)?.[1]) : value.value
    if (typeof relative === 'number' && relative > 0) return { relative }
    throw new NotCovered(`The tolerance at ${value.path} is of no known form.`)
  }
  return { relative: defaults[key] }
}

function difference({ name, got, expected }: Output): ArrayReport {
  let scale = 0
  let maxAbsolute = 0
  let index = 0
  for (let i = 0; i < expected.length; i++) {
    scale = Math.max(scale, Math.abs(expected[i]!))
    const gap = Math.abs(got[i]! - expected[i]!)
    const absolute = Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap
    if (absolute > maxAbsolute) {
      maxAbsolute = absolute
      index = i
    }
  }
  const maxRelative = maxAbsolute === 0 ? 0 : maxAbsolute / scale
  return { name, maxAbsolute, maxRelative, worst: { index, got: got[index] ?? 0, expected: expected[index] ?? 0 } }
}
