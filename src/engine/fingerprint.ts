import shaderDigest from 'virtual:shader-digest'
import { sha256 } from '../formats/integrity'
import type { Manifest } from '../formats/manifest'
import type { GpuInfo } from '../gpu'
import { runtime } from '../onnx'

/** To be raised when code outside the shaders changes what a row of state holds, or its bits; for each backend. */
const rowVersions = { webgpu: 1, wasm: 1 }

/** A text that differs wherever encoding the same sentence could give another vector. */
export function spaceFingerprint({ space, files }: Manifest): Promise<string> {
  const { sha256: encoder } = files[space.encoder.file] ?? {}
  const { sha256: tokenizer } = files[space.tokenizer] ?? {}
  return hash([encoder, tokenizer, space.dim, space.languages, space.tokens, space.maxTokens])
}

/**
 * A text that differs wherever the state of the same concepts could have other bits: the model, the browser, and the kernels and the adapter or
 * ONNX Runtime and its threads.
 *
 * @param manifest SHA-256 of the model folder's manifest
 * @param name of the concept model in it
 */
export function stateIdentity(manifest: string, name: string, machine: GpuInfo | 'wasm'): Promise<string> {
  if (machine === 'wasm') return hash([rowVersions.wasm, manifest, name, 'wasm', runtime.version, runtime.threads, navigator.userAgent])
  const { vendor, architecture, device, description, features } = machine
  return hash([rowVersions.webgpu, manifest, name, shaderDigest, vendor, architecture, device, description, features, navigator.userAgent])
}

function hash(value: unknown): Promise<string> {
  return sha256(new TextEncoder().encode(JSON.stringify(value)))
}
