import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseManifest } from '../src/formats/manifest'
import { RandomWeights } from '../src/models/random-weights'
import { baseLcmShapes } from '../src/models/shapes'

const mini = resolve(import.meta.dirname, '../public/models/mini')

/**
 * A copy of `mini` with a second concept model, a small Base-LCM of random weights called `random`, which is the default, and the same under the
 * name `hasty`, which stops wherever it may. Returns its path; it lies in the system's folder for temporary files.
 */
export function folderWithBothFamilies(): string {
  const folder = mkdtempSync(join(tmpdir(), 'noema-model-'))
  cpSync(mini, folder, { recursive: true })
  const manifest = parseManifest(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')))
  const architecture = { sonar_dim: manifest.space.dim, model_dim: 32, heads: 4, layers: 2, ffn_inner: 40, max_seq_len: 30 }
  const decoding = { sample: false, temperature: 1, endOfTextThreshold: 2, stopOnRepetitionThreshold: 2, beam: 1 }
  const random = { family: 'base_lcm' as const, file: 'random.safetensors', architecture, decoding }
  const hasty = { ...random, decoding: { ...decoding, stopOnRepetitionThreshold: -1 } }
  writeFileSync(join(folder, random.file), safetensors(architecture))
  const conceptModels = { ...manifest.conceptModels, random, hasty }
  const files = { ...manifest.files, [random.file]: entryOf(join(folder, random.file)) }
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, files, conceptModels, defaultConceptModel: 'random' }))
  return folder
}

function safetensors(architecture: Parameters<typeof baseLcmShapes>[0]): Uint8Array {
  const shapes = baseLcmShapes(architecture)
  const weights = new RandomWeights(shapes)
  const tensors = [...shapes.keys()].map((name) => weights.get(name))
  let end = 0
  const header = tensors.map(({ name, dtype, shape, bytes }) => {
    const begin = end
    end += bytes.length
    return [name, { dtype, shape, data_offsets: [begin, end] }]
  })
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, ...tensors.map(({ bytes }) => bytes)])
}

function entryOf(path: string): { bytes: number; sha256: string } {
  return { bytes: statSync(path).size, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }
}
