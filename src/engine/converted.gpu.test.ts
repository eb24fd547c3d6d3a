import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseConceptModel } from '../formats/concept-model-manifest'
import { Field } from '../formats/field'
import { parseSafetensors } from '../formats/safetensors'
import { type Gpu, requestGpu } from '../gpu'
import { generate } from '../models/generate'
import { worstOffender } from '../ops/compare'
import { scaledStream } from './conformance-values'
import file from './converted/cases.json'
import { loadConceptModel } from './predictor'

/** Checkpoints that training/tests/make_converted_models.py writes and converts. */
const urls = import.meta.glob<string>('./converted/*.safetensors', { query: '?url', import: 'default', eager: true })

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

test.each(file.cases)('a converted checkpoint gives PyTorch’s concepts: $name', async ({ entry, expected }) => {
  const { document, noise, decoding } = file.inputs
  const [, length, dim] = document.shape as [number, number, number]
  const files = { [entry.file]: {} }
  const manifest = parseConceptModel(new Field(entry, 'entry'), files, dim)
  const response = await fetch(urls[`./converted/${entry.file}`]!)
  const model = await loadConceptModel(gpu, parseSafetensors(new Uint8Array(await response.arrayBuffer())), manifest)
  const draws = scaledStream(noise.stream, 2 * dim, noise.amp)
  const options = {
    noise: (position: number) => () => draws.subarray((position - length) * dim, (position - length + 1) * dim),
    sampling: {
      steps: decoding.steps,
      guidanceScale: decoding.guidance_scale,
      guidanceRescale: decoding.guidance_rescale,
      initialNoiseScale: decoding.initial_noise_scale,
      epsilonScaling: decoding.epsilon_scaling,
    },
    maxConcepts: 2,
  }
  const generated: number[] = []
  for await (const { concept } of generate(model, scaledStream(document.stream, length * dim, document.amp), options)) {
    generated.push(...concept)
  }
  model.dispose()
  expect(worstOffender(generated, expected).relative).toBeLessThan(2e-5)
})
