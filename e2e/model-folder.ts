import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TwoTowerManifest } from '../src/formats/concept-model-manifest'
import { parseManifest } from '../src/formats/manifest'
import { RandomWeights } from '../src/models/random-weights'
import { baseLcmShapes, oneTowerShapes, quantLcmShapes } from '../src/models/shapes'
import { smallModel } from './sites'

/**
 * A copy of the small model with a second concept model, a small Base-LCM of random weights called `random`, which is the default, and the same under the
 * name `hasty`, which stops wherever it may, a One-Tower model of random weights called `single`, and Quant-LCMs of random weights called `near` (-c)
 * and `unit` (-d). Returns its path; it lies in the system's folder for temporary files.
 */
export function folderWithAllFamilies(): string {
  const folder = mkdtempSync(join(tmpdir(), 'noema-model-'))
  cpSync(smallModel, folder, { recursive: true })
  const manifest = parseManifest(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')))
  const architecture = { sonar_dim: manifest.space.dim, model_dim: 32, heads: 4, layers: 2, ffn_inner: 40, max_seq_len: 30 }
  const decoding = { sample: false, temperature: 1, endOfTextThreshold: 2, stopOnRepetitionThreshold: 2, beam: 1 }
  const random = { family: 'base_lcm' as const, file: 'random.safetensors', architecture, decoding }
  const hasty = { ...random, decoding: { ...decoding, stopOnRepetitionThreshold: -1 } }
  const towers = Object.values(manifest.conceptModels)
  const twoTower = towers.find(({ family }) => family === 'two_tower') as TwoTowerManifest
  const single = {
    ...twoTower,
    family: 'one_tower' as const,
    file: 'single.safetensors',
    architecture: { ...architecture, timestep_embed_dim: 24 },
  }
  const { sample: _, ...stopping } = decoding
  const quantSizes = { ...architecture, codebook_embed_dim: 16, n_codebooks: 6, n_units_per_codebook: 30 }
  const refinement = { ...stopping, guidanceScale: 1.5, topK: 5 }
  const near = { family: 'quant_lcm_c' as const, file: 'near.safetensors', architecture: quantSizes, decoding: refinement }
  const unit = { ...near, family: 'quant_lcm_d' as const, file: 'unit.safetensors' }
  const added = [
    [random, baseLcmShapes(architecture)],
    [single, oneTowerShapes(single.architecture)],
    [near, quantLcmShapes(near.family, quantSizes)],
    [unit, quantLcmShapes(unit.family, quantSizes)],
  ] as const
  for (const [{ file }, shapes] of added) writeFileSync(join(folder, file), new RandomWeights(shapes).file())
  const conceptModels = { ...manifest.conceptModels, random, hasty, single, near, unit }
  const entries = added.map(([{ file }]) => [file, entryOf(join(folder, file))])
  const files = { ...manifest.files, ...Object.fromEntries(entries) }
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, files, conceptModels, defaultConceptModel: 'random' }))
  return folder
}

/** A folder with the space of the small model and no concept model, as `training/convert_sonar.py` writes one. Returns its path. */
export function folderWithSpaceOnly(): string {
  const folder = mkdtempSync(join(tmpdir(), 'noema-space-'))
  const manifest = parseManifest(JSON.parse(readFileSync(join(smallModel, 'manifest.json'), 'utf8')))
  const { tokenizer, encoder, decoder } = manifest.space
  const names = [tokenizer, encoder.file, decoder.conditioning, decoder.step]
  for (const name of names) cpSync(join(smallModel, name), join(folder, name))
  const files = Object.fromEntries(names.map((name) => [name, manifest.files[name]]))
  const { defaultConceptModel: _, ...rest } = manifest
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...rest, files, conceptModels: {} }))
  return folder
}

/** The files of the small model that differ when its Two-Tower model expects concepts around another centre: manifest and weights, by name. */
export function changedModel(): Map<string, Buffer> {
  const manifest = parseManifest(JSON.parse(readFileSync(join(smallModel, 'manifest.json'), 'utf8')))
  const name = Object.values(manifest.conceptModels).find(({ family }) => family === 'two_tower')!.file
  const weights = readFileSync(join(smallModel, name))
  const headerLength = Number(weights.readBigUInt64LE())
  const header = JSON.parse(weights.subarray(8, 8 + headerLength).toString())
  const at = 8 + headerLength + header['sonar_normalizer.center'].data_offsets[0]
  for (let i = 0; i < manifest.space.dim; i++) weights.writeFloatLE(weights.readFloatLE(at + 4 * i) + 0.1, at + 4 * i)
  const entry = { bytes: weights.length, sha256: createHash('sha256').update(weights).digest('hex') }
  const files = { ...manifest.files, [name]: entry }
  return new Map([
    ['manifest.json', Buffer.from(JSON.stringify({ ...manifest, files }))],
    [name, weights],
  ])
}

function entryOf(path: string): { bytes: number; sha256: string } {
  return { bytes: statSync(path).size, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }
}
