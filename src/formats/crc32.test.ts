import { expect, test } from 'vitest'
import { crc32 } from './crc32'

const bytes = (text: string) => new TextEncoder().encode(text)

test('is the CRC-32 of zip and gzip, whole or in parts', () => {
  expect(crc32(bytes('123456789'))).toBe(0xcbf43926)
  expect(crc32(bytes('1234'), bytes(''), bytes('56789'))).toBe(0xcbf43926)
  expect(crc32()).toBe(0)
})
