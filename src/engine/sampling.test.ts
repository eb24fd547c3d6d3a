import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InvalidInput } from '../errors'
import type { BaseLcmManifest, OneTowerManifest, QuantLcmManifest, TwoTowerManifest } from '../formats/concept-model-manifest'
import { describeConceptModel, samplingOptions } from './sampling'

const sizes = { sonar_dim: 8, model_dim: 8, heads: 1, ffn_inner: 8, max_seq_len: 30 }
const common = { endOfTextThreshold: 0.9, stopOnRepetitionThreshold: 0.8, beam: 4 }

const twoTower: TwoTowerManifest = {
  family: 'two_tower',
  file: 'weights',
  architecture: { ...sizes, context_layers: 1, denoiser_layers: 1 },
  scheduler: {
    num_diffusion_train_steps: 100,
    beta_schedule: 'squaredcos_cap_v2',
    rescale_betas_zero_snr: true,
    timestep_spacing: 'trailing',
    prediction_type: 'sample',
  },
  decoding: { ...common, steps: 20, guidanceScale: 3, guidanceRescale: 0.7, initialNoiseScale: 0.6, epsilonScaling: 1.1 },
}

const oneTower: OneTowerManifest = {
  ...twoTower,
  family: 'one_tower',
  architecture: { ...sizes, layers: 1, timestep_embed_dim: 4 },
}

const quantLcm: QuantLcmManifest = {
  family: 'quant_lcm_c',
  file: 'weights',
  architecture: { ...sizes, layers: 1, codebook_embed_dim: 4, n_codebooks: 3, n_units_per_codebook: 9 },
  decoding: { ...common, guidanceScale: 1.5, temperature: 0.14, topK: 5 },
}

function baseLcm(sample: boolean): BaseLcmManifest {
  return { family: 'base_lcm', file: 'weights', architecture: { ...sizes, layers: 1 }, decoding: { ...common, sample, temperature: 0.3 } }
}

describe('what a page is told', () => {
  test('a Two-Tower model has the dials of diffusion', () => {
    expect(describeConceptModel(twoTower)).toEqual({
      family: 'two_tower',
      maxConcepts: 30,
      beam: 4,
      reread: false,
      settings: {
        steps: 20,
        timesteps: 'reference',
        guidance: 3,
        guidanceRescale: 0.7,
        initialNoiseScale: 0.6,
        epsilonScaling: 1.1,
        eta: 0,
      },
    })
  })

  test('a One-Tower model has the same', () => {
    expect(describeConceptModel(oneTower)).toEqual({ ...describeConceptModel(twoTower), family: 'one_tower' })
    expect(samplingOptions(oneTower, { guidance: 2 })).toEqual(samplingOptions(twoTower, { guidance: 2 }))
  })

  test('a Quant-LCM has guidance, temperature and how many units it draws from', () => {
    const settings = { guidance: 1.5, temperature: 0.14, topK: 5 }
    expect(describeConceptModel(quantLcm)).toEqual({ family: 'quant_lcm_c', maxConcepts: 30, beam: 4, reread: false, settings })
    expect(describeConceptModel({ ...quantLcm, family: 'quant_lcm_d' })).toMatchObject({ family: 'quant_lcm_d', settings })
  })

  test('a Base-LCM has a temperature, which is 0 where the manifest says not to sample', () => {
    expect(describeConceptModel(baseLcm(true))).toEqual({
      family: 'base_lcm',
      maxConcepts: 30,
      beam: 4,
      reread: false,
      settings: { temperature: 0.3 },
    })
    expect(describeConceptModel(baseLcm(false)).settings).toEqual({ temperature: 0 })
  })
})

describe('what settings mean', () => {
  test('the manifest holds for what is left out', () => {
    const defaults = { steps: 20, timesteps: 'reference', guidanceRescale: 0.7, initialNoiseScale: 0.6, epsilonScaling: 1.1, eta: 0 }
    expect(samplingOptions(twoTower, {})).toEqual({ ...defaults, guidanceScale: 3 })
    expect(samplingOptions(twoTower, { steps: undefined, guidance: 1, eta: 0.5 })).toEqual({ ...defaults, guidanceScale: 1, eta: 0.5 })
    expect(samplingOptions(quantLcm, {})).toEqual({ guidanceScale: 1.5, temperature: 0.14, topK: 5 })
    expect(samplingOptions(quantLcm, { guidance: 2, temperature: 0 })).toEqual({ guidanceScale: 2, temperature: 0, topK: 5 })
    expect(samplingOptions(baseLcm(false), {})).toEqual({ temperature: 0 })
    expect(samplingOptions(baseLcm(false), { temperature: 0.2 })).toEqual({ temperature: 0.2 })
    expect(samplingOptions(baseLcm(true), { temperature: 0 })).toEqual({ temperature: 0 })
  })

  test('a setting of the other family is refused by name, whatever its value', () => {
    const diffusion = ['steps', 'timesteps', 'guidance', 'guidanceRescale', 'initialNoiseScale', 'epsilonScaling', 'eta']
    const foreign = fc.oneof(
      fc
        .constantFrom(...diffusion)
        .map((name) => ({ name, manifest: baseLcm(true), sentence: 'Base-LCM concept model, which takes temperature' })),
      fc.constant({ name: 'temperature', manifest: twoTower, sentence: 'Two-Tower concept model, which takes steps, timesteps, guidance' }),
      fc.constant({ name: 'temperature', manifest: oneTower, sentence: 'One-Tower concept model, which takes steps, timesteps, guidance' }),
      fc.constant({ name: 'topK', manifest: baseLcm(true), sentence: 'Base-LCM concept model, which takes temperature' }),
      fc.constant({ name: 'topK', manifest: twoTower, sentence: 'Two-Tower concept model, which takes steps, timesteps, guidance' }),
      fc.constantFrom('steps', 'timesteps', 'guidanceRescale', 'initialNoiseScale', 'epsilonScaling', 'eta').map((name) => ({
        name,
        manifest: quantLcm,
        sentence: 'Quant-LCM-c concept model, which takes guidance, temperature, topK',
      })),
    )
    fc.assert(
      fc.property(foreign, fc.jsonValue(), ({ name, manifest, sentence }, value) => {
        const call = () => samplingOptions(manifest, { [name]: value })
        expect(call).toThrow(InvalidInput)
        expect(call).toThrow(`The setting ${name} does not apply to a ${sentence}`)
      }),
    )
  })
})
