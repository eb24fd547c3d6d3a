import { expect, test } from 'vitest'
import type { GpuInfo } from '../gpu'
import { stateIdentity } from './fingerprint'

const info: GpuInfo = {
  vendor: 'v',
  architecture: 'a',
  device: 'd',
  description: 't',
  software: false,
  features: ['subgroups'],
  limits: {},
}

test('states are told apart by model, concept model, backend and adapter, and by nothing that changes from visit to visit', async () => {
  const identity = await stateIdentity('manifest', 'two-tower', info)
  expect(await stateIdentity('manifest', 'two-tower', structuredClone(info))).toBe(identity)
  const others = [
    stateIdentity('other', 'two-tower', info),
    stateIdentity('manifest', 'base', info),
    stateIdentity('manifest', 'two-tower', 'wasm'),
    stateIdentity('manifest', 'base', 'wasm'),
    ...Object.entries({ vendor: 'w', architecture: 'b', device: 'e', description: 'u', features: [] }).map(([field, value]) =>
      stateIdentity('manifest', 'two-tower', { ...info, [field]: value }),
    ),
  ]
  expect(new Set([identity, ...(await Promise.all(others))]).size).toBe(10)
})
