import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Gpu, requestGpu } from '../gpu'
import { generate } from '../models/generate'
import { loadOneTower } from '../models/machine'
import { OneTowerReference } from '../models/one-tower-reference'
import { oneTowerShapes } from '../models/shapes'
import { worstOffender } from '../ops/compare'
import { CaseField } from './conformance-field'
import { GeneratedWeights, scaledStream } from './conformance-values'
import file from './one-tower-cases.json'

// Written by training/tests/make_one_tower_cases.py: no code of this model is public, so it is held to PyTorch's own numbers.
describe.each(file.cases)('as PyTorch computes it: $name', ({ model: sizes, inputs, decoding, expected }) => {
  const { prefix, ...architecture } = sizes
  const dim = architecture.sonar_dim
  const weights = new GeneratedWeights(oneTowerShapes(architecture), new CaseField({ prefix }, 'model'), false)
  let gpu: Gpu
  beforeAll(async () => {
    gpu = await requestGpu()
  })
  afterAll(() => gpu.destroy())

  test.each(['webgpu', 'wasm'] as const)('concepts generated on %s', async (backend) => {
    const { stream, amp } = inputs.document
    const { stream_pattern: pattern, amp: noiseAmp } = inputs.initial_noise
    const prompt = scaledStream(stream, inputs.prompt_length * dim, amp)
    const noise = (position: number) => (count: number) =>
      scaledStream(pattern.replace('<i>', String(position - inputs.prompt_length)), count, noiseAmp)
    const { steps, guidance_scale, guidance_rescale, initial_noise_scale, epsilon_scaling } = decoding
    const sampling = {
      steps,
      guidanceScale: guidance_scale,
      guidanceRescale: guidance_rescale,
      initialNoiseScale: initial_noise_scale,
      epsilonScaling: epsilon_scaling ?? 1,
    }
    const model = await loadOneTower(backend === 'wasm' ? backend : gpu, weights, architecture)
    const generated: number[] = []
    for await (const { concept } of generate(model, prompt, { noise, sampling, maxConcepts: 3 })) generated.push(...concept)
    model.dispose()
    expect(worstOffender(generated, expected.generated).relative).toBeLessThan(2e-5)
  })

  test('an interleaved training pass in f64', () => {
    const rows = (values: number[]) => inputs.timesteps.map((_, n) => values.slice(n * dim, (n + 1) * dim))
    const [clean, noisy] = [rows(expected.clean), rows(expected.noisy)]
    const sequence = inputs.timesteps.map((step, n) => ({
      clean: clean[n]!,
      unfinished: noisy[n]!,
      step,
      alone: inputs.alone.includes(n),
    }))
    const outputs = new OneTowerReference(weights, architecture).forward(sequence)
    expect(
      worstOffender(
        outputs.flatMap((output) => [...output]),
        expected.output,
      ).relative,
    ).toBeLessThan(5e-6)
  })
})
