import { expect, test } from 'vitest'
import { ModelIntegrityError } from '../errors'
import { sha256, verifyFile } from './integrity'

const abc = new TextEncoder().encode('abc')
const abcHash = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'

test('sha256 gives the standard test vector', async () => {
  expect(await sha256(abc)).toBe(abcHash)
})

test('verifyFile tells a sound file from one of the wrong size or content', async () => {
  await verifyFile('a', abc, { bytes: 3, sha256: abcHash })
  await expect(verifyFile('a', abc, { bytes: 4, sha256: abcHash })).rejects.toThrow(ModelIntegrityError)
  await expect(verifyFile('a', new TextEncoder().encode('abd'), { bytes: 3, sha256: abcHash })).rejects.toThrow(ModelIntegrityError)
})
