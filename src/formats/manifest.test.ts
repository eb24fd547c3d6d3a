import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ModelFormatError } from '../errors'
import { parseManifest } from './manifest'

/** A complete manifest as plain JSON, new on every call. */
function example() {
  const file = { bytes: 10, sha256: 'a'.repeat(64) }
  return {
    format: 'noema-model',
    formatVersion: 1,
    name: 'mini',
    version: '0.1.0',
    licence: 'MIT',
    description: 'A small model.',
    files: {
      'tokenizer.json': file,
      'encoder.onnx': file,
      'decoder-conditioning.onnx': file,
      'decoder-step.onnx': file,
      'two-tower.safetensors': file,
      'base-lcm.safetensors': file,
      'one-tower.safetensors': file,
      'quant-lcm-c.safetensors': file,
      'quant-lcm-d.safetensors': file,
      'MODEL_CARD.md': file,
    },
    space: {
      dim: 256,
      languages: [
        { code: 'eng_Latn', name: 'English', token: 8000 },
        { code: 'fra_Latn', name: 'French', token: 8001 },
      ],
      tokenizer: 'tokenizer.json',
      tokens: { pad: 0, unk: 1, bos: 2, eos: 3 },
      maxTokens: 128,
      maxCharacters: 200,
      encoder: { file: 'encoder.onnx' },
      decoder: { conditioning: 'decoder-conditioning.onnx', step: 'decoder-step.onnx', layers: 4, heads: 4, headDim: 64 },
      decoding: { beam: 5, nearest: true },
      endOfText: 'End of text.',
    },
    conceptModels: {
      'two-tower': {
        family: 'two_tower',
        file: 'two-tower.safetensors',
        summaryPrompt: 'In short.',
        architecture: {
          sonar_dim: 256,
          model_dim: 256,
          heads: 4,
          context_layers: 4,
          denoiser_layers: 4,
          ffn_inner: 768,
          max_seq_len: 512,
        },
        scheduler: {
          num_diffusion_train_steps: 100,
          beta_schedule: 'squaredcos_cap_v2',
          rescale_betas_zero_snr: true,
          timestep_spacing: 'trailing',
          prediction_type: 'sample',
        },
        decoding: {
          steps: 20,
          guidanceScale: 3,
          guidanceRescale: 0.7,
          initialNoiseScale: 0.6,
          epsilonScaling: 1.00045,
          endOfTextThreshold: 0.9,
          stopOnRepetitionThreshold: 0.9,
          beam: 5,
        },
      },
      'base-lcm': {
        family: 'base_lcm',
        file: 'base-lcm.safetensors',
        architecture: { sonar_dim: 256, model_dim: 256, heads: 4, layers: 6, ffn_inner: 768, max_seq_len: 512 },
        decoding: { sample: false, temperature: 1, endOfTextThreshold: 0.9, stopOnRepetitionThreshold: 0.9, beam: 5 },
      },
      'one-tower': {
        family: 'one_tower',
        file: 'one-tower.safetensors',
        architecture: {
          sonar_dim: 256,
          model_dim: 256,
          heads: 4,
          layers: 8,
          timestep_embed_dim: 64,
          ffn_inner: 768,
          max_seq_len: 512,
        },
        scheduler: {
          num_diffusion_train_steps: 100,
          beta_schedule: 'sigmoid',
          rescale_betas_zero_snr: true,
          timestep_spacing: 'trailing',
          prediction_type: 'sample',
        },
        decoding: {
          steps: 40,
          guidanceScale: 3,
          guidanceRescale: 0.7,
          initialNoiseScale: 0.6,
          epsilonScaling: 1.00045,
          endOfTextThreshold: 0.9,
          stopOnRepetitionThreshold: 0.9,
          beam: 5,
        },
      },
      'quant-lcm-c': quantLcm('quant_lcm_c', 'quant-lcm-c.safetensors', 0.14),
      'quant-lcm-d': quantLcm('quant_lcm_d', 'quant-lcm-d.safetensors', 1),
    },
    defaultConceptModel: 'two-tower',
  }
}

function quantLcm(family: string, file: string, temperature: number) {
  return {
    family,
    file,
    architecture: {
      sonar_dim: 256,
      model_dim: 256,
      heads: 4,
      layers: 8,
      codebook_embed_dim: 64,
      ffn_inner: 768,
      max_seq_len: 512,
      n_codebooks: 64,
      n_units_per_codebook: 8192,
    },
    decoding: { guidanceScale: 1.5, temperature, topK: 5, endOfTextThreshold: 0.9, stopOnRepetitionThreshold: 0.9, beam: 5 },
  }
}

/** The example with the value at a dotted path replaced, or removed when it is undefined. */
function changed(path: string, value: unknown): unknown {
  const json = example()
  const keys = path.split('.')
  const last = keys.pop()!
  // biome-ignore lint/suspicious/noExplicitAny: walks untyped JSON
  const parent = keys.reduce((object: any, key) => object[key], json)
  if (value === undefined) delete parent[last]
  else parent[last] = value
  return json
}

/** Every dotted path of the example, leaves and objects alike. */
function paths(value: unknown, prefix = ''): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, child]) =>
    key.includes('.') ? [] : [`${prefix}${key}`, ...paths(child, `${prefix}${key}.`)],
  )
}

describe('parseManifest', () => {
  test('returns what it was given when that is complete', () => {
    expect(parseManifest(example())).toEqual(example())
  })

  test('drops fields it does not know', () => {
    expect(parseManifest({ ...example(), comment: 'later versions may say more' })).toEqual(example())
  })

  test('keeps the optional numbers of a noise schedule', () => {
    const manifest = parseManifest(changed('conceptModels.two-tower.scheduler.beta_start', 0.001))
    expect(manifest.conceptModels['two-tower']).toMatchObject({ scheduler: { beta_start: 0.001 } })
  })

  test('a concept model of any family may have learnt to summarise', () => {
    for (const name of Object.keys(example().conceptModels)) {
      const json = changed(`conceptModels.${name}.summaryPrompt`, 'To sum up:')
      expect(parseManifest(json).conceptModels[name]).toMatchObject({ summaryPrompt: 'To sum up:' })
      const without = parseManifest(changed(`conceptModels.${name}.summaryPrompt`, undefined))
      expect(without.conceptModels[name]).not.toHaveProperty('summaryPrompt')
    }
  })

  test('a concept model may say that texts go on from what is written, and how it is drawn', () => {
    const text = { temperature: 0.7, topP: 0.95, drafts: 6 }
    const manifest = parseManifest(
      changed('conceptModels.base-lcm.decoding', { ...example().conceptModels['base-lcm'].decoding, reread: 'eng_Latn', text }),
    )
    expect(manifest.conceptModels['base-lcm']!.decoding).toMatchObject({ reread: 'eng_Latn', text })
    for (const wrong of [{ drafts: 0 }, { drafts: 65 }, { topP: 1.5 }, { temperature: 0 }, { temperature: undefined }]) {
      expect(() => parseManifest(changed('conceptModels.base-lcm.decoding.text', { ...text, ...wrong }))).toThrow(ModelFormatError)
    }
    for (const wrong of [true, '', 'zul_Latn']) {
      expect(() => parseManifest(changed('conceptModels.base-lcm.decoding.reread', wrong))).toThrow(ModelFormatError)
    }
  })

  test('a folder may have a space only', () => {
    const { defaultConceptModel, ...rest } = example()
    const spaceOnly = { ...rest, conceptModels: {}, defaultConceptModel: '' }
    expect(parseManifest({ ...rest, conceptModels: {} })).toEqual(spaceOnly)
    expect(parseManifest({ ...rest, conceptModels: {}, defaultConceptModel })).toEqual(spaceOnly)
  })

  // A folder may have fewer concept models, as long as the default is there; they need not summarise, and its space need not say how it decodes.
  const models = ['base-lcm', 'one-tower', 'quant-lcm-c', 'quant-lcm-d', 'two-tower.summaryPrompt']
  const optional = ['space.decoding', ...models.map((name) => `conceptModels.${name}`)]
  test.each(paths(example()).filter((path) => !optional.includes(path)))('a missing %s is a ModelFormatError', (path) => {
    expect(() => parseManifest(changed(path, undefined))).toThrow(ModelFormatError)
  })

  test.each([
    ['formatVersion', 2],
    ['files.encoder\u0000onnx', { bytes: 1, sha256: 'a'.repeat(64) }],
    ['space.dim', 0],
    ['space.dim', 256.5],
    ['space.dim', '256'],
    ['space.tokenizer', 'other.json'],
    ['space.encoder.file', '../encoder.onnx'],
    ['space.languages', []],
    ['space.languages.0.code', 'en'],
    ['space.languages.0.code', 'fra_Latn'],
    ['space.languages.0.token', 8001],
    ['conceptModels.two-tower.family', 'three_tower'],
    ['conceptModels.two-tower.family', 'one_tower'],
    ['conceptModels.one-tower.family', 'two_tower'],
    ['conceptModels.one-tower.architecture.layers', 0],
    ['conceptModels.one-tower.architecture.timestep_embed_dim', 0.5],
    ['conceptModels.one-tower.scheduler.prediction_type', 'noise'],
    ['conceptModels.one-tower.decoding.steps', 101],
    ['conceptModels.quant-lcm-c.family', 'base_lcm'],
    ['conceptModels.quant-lcm-d.family', 'quant_lcm'],
    ['conceptModels.quant-lcm-c.architecture.n_codebooks', 0],
    ['conceptModels.quant-lcm-d.architecture.n_units_per_codebook', 65_537],
    ['conceptModels.quant-lcm-d.architecture.codebook_embed_dim', '64'],
    ['conceptModels.quant-lcm-c.decoding.topK', 0],
    ['conceptModels.quant-lcm-d.decoding.topK', 1.5],
    ['conceptModels.quant-lcm-d.decoding.temperature', -1],
    ['conceptModels.quant-lcm-c.decoding.guidanceScale', null],
    ['conceptModels.two-tower.summaryPrompt', ' … '],
    ['conceptModels.base-lcm.summaryPrompt', null],
    ['conceptModels.one-tower.summaryPrompt', ''],
    ['conceptModels.quant-lcm-c.summaryPrompt', ['In short.']],
    ['conceptModels.two-tower.family', 'base_lcm'],
    ['conceptModels.base-lcm.family', 'two_tower'],
    ['conceptModels.base-lcm.file', 'other.safetensors'],
    ['conceptModels.base-lcm.architecture.sonar_dim', 128],
    ['conceptModels.base-lcm.architecture.layers', 0],
    ['conceptModels.base-lcm.architecture.heads', 3],
    ['conceptModels.base-lcm.decoding.sample', 1],
    ['conceptModels.base-lcm.decoding.temperature', -0.1],
    ['conceptModels.base-lcm.decoding.beam', 0],
    ['space.decoding', 5],
    ['space.decoding.beam', 65],
    ['space.decoding.nearest', 1],
    ['conceptModels.two-tower.architecture.sonar_dim', 128],
    ['conceptModels.two-tower.architecture.heads', 3],
    ['conceptModels.two-tower.decoding.steps', 101],
    ['conceptModels.two-tower.decoding.guidanceScale', Number.NaN],
    ['defaultConceptModel', 'toString'],
  ])('%s = %j is refused, and the error names a field', (path, value) => {
    let error: unknown
    try {
      parseManifest(changed(path, value))
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(ModelFormatError)
    expect((error as ModelFormatError).details.field).toMatch(/^manifest\./)
  })

  test.each([
    '../x',
    '/etc/passwd',
    'a/../b',
    './a',
    'a//b',
    'https://x.org/a',
    'C:\\a',
    'a\\b',
    'a?b',
    'a#b',
    '%2e%2e/a',
    '',
    'manifest.json',
  ])('the file name %j may not leave the folder', (name) => {
    const json = example() as { files: Record<string, unknown> }
    json.files[name] = { bytes: 1, sha256: 'a'.repeat(64) }
    expect(() => parseManifest(json)).toThrow(ModelFormatError)
  })

  test.each(['a.bin', 'onnx/a.bin', '_a', 'a..b'])('the file name %j is allowed', (name) => {
    const json = example() as { files: Record<string, unknown> }
    json.files[name] = { bytes: 1, sha256: 'a'.repeat(64) }
    expect(Object.keys(parseManifest(json).files)).toContain(name)
  })

  test('a family that is not known is named, whatever it is', () => {
    const families = ['two_tower', 'base_lcm', 'one_tower', 'quant_lcm_c', 'quant_lcm_d']
    const unknown = fc.jsonValue().filter((value) => !families.includes(value as string))
    const names = families.map((family) => family.replaceAll('_', '-'))
    fc.assert(
      fc.property(fc.constantFrom(...names), unknown, (name, family) => {
        const parse = () => parseManifest(changed(`conceptModels.${name}.family`, family))
        expect(parse).toThrow(ModelFormatError)
        const known = families.map((family) => `"${family}"`).join(', ')
        expect(parse).toThrow(`manifest.conceptModels.${name}.family must be one of ${known}`)
      }),
    )
  })

  test('throws nothing but ModelFormatError, whatever it is given', () => {
    const anywhere = fc.constantFrom(...paths(example()))
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          fc.tuple(anywhere, fc.jsonValue()).map(([path, value]) => changed(path, value)),
        ),
        (json) => {
          try {
            parseManifest(json)
          } catch (error) {
            expect(error).toBeInstanceOf(ModelFormatError)
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})
