import { sha256 } from '../formats/integrity'

/** The SHA-256 links of a document, in hexadecimal: link n stands for concepts 0 … n under one model, and for nothing else. */
export type PrefixChain = readonly string[]

/**
 * The links of a document's concepts: each is the hash of the link before it and of the concept's bytes. The first follows on the model.
 *
 * @param model whatever the state depends on beside the concepts: another text, another chain
 * @param concepts raw, [n, dim]
 * @param known links of a beginning of the same document, which are not computed again
 */
export async function prefixChain(model: string, concepts: Float32Array, dim: number, known: PrefixChain = []): Promise<string[]> {
  const links = [...known]
  const encoder = new TextEncoder()
  let previous = links.at(-1) ?? (await sha256(encoder.encode(model)))
  for (let position = links.length; position < concepts.length / dim; position++) {
    const concept = concepts.subarray(position * dim, (position + 1) * dim)
    const bytes = new Uint8Array(previous.length + concept.byteLength)
    bytes.set(encoder.encode(previous))
    bytes.set(new Uint8Array(concept.buffer, concept.byteOffset, concept.byteLength), previous.length)
    previous = await sha256(bytes)
    links.push(previous)
  }
  return links
}

/** How many links two chains have in common at their beginning. */
export function commonLength(a: PrefixChain, b: PrefixChain): number {
  const length = Math.min(a.length, b.length)
  for (let n = 0; n < length; n++) if (a[n] !== b[n]) return n
  return length
}
