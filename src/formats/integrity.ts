import { ModelIntegrityError } from '../errors'
import type { FileEntry } from './manifest'

/** SHA-256 of the bytes, in lower-case hexadecimal. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  if (!globalThis.crypto?.subtle) {
    throw new ModelIntegrityError('Model files cannot be verified here: serve the page over https or from localhost.')
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/**
 * Checks a file against the manifest.
 * @throws ModelIntegrityError when its size or SHA-256 differs.
 */
export async function verifyFile(name: string, bytes: Uint8Array<ArrayBuffer>, expected: FileEntry): Promise<void> {
  if (bytes.length !== expected.bytes) {
    throw new ModelIntegrityError(
      `"${name}" has ${bytes.length} bytes and not the ${expected.bytes} of the manifest. Reload to try again.`,
      {
        file: name,
        bytes: bytes.length,
        expected: expected.bytes,
      },
    )
  }
  const hash = await sha256(bytes)
  if (hash !== expected.sha256) {
    throw new ModelIntegrityError(`"${name}" is not the file the manifest names: its SHA-256 differs. Reload to try again.`, {
      file: name,
      sha256: hash,
      expected: expected.sha256,
    })
  }
}
