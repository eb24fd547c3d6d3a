import { beforeAll, expect, test } from 'vitest'
import { type Manifest, parseManifest } from '../formats/manifest'
import { float32, floats, Graph, int64 } from '../onnx'
import { decodeVectors } from './decoder'
import { conditioningInputs, type DecoderGraphs, stepInputs } from './stepper'
import { logProbability } from './token-search'

const folder = '/models/mini/'
let manifest: Manifest
let graphs: DecoderGraphs

beforeAll(async () => {
  manifest = parseManifest(await (await fetch(`${folder}manifest.json`)).json())
  const { conditioning, step, ...shape } = manifest.space.decoder
  const load = async (name: string, inputs: readonly string[]) =>
    Graph.load(name, new Uint8Array(await (await fetch(folder + name)).arrayBuffer()), inputs)
  graphs = { conditioning: await load(conditioning, conditioningInputs), step: await load(step, stepInputs), ...shape }
})

/** Log-probability of each token after the first, each from the whole sequence before it, without a cache. */
async function score(vector: Float32Array, tokens: readonly number[]): Promise<number> {
  const { conditioning } = await graphs.conditioning.run({ embeddings: float32(vector, [1, vector.length]) }, ['conditioning'])
  const past = float32(new Float32Array(0), [graphs.layers, 1, graphs.heads, 0, graphs.headDim])
  let total = 0
  for (let length = 1; length < tokens.length; length++) {
    const inputs = {
      input_ids: int64(tokens.slice(0, length), [1, length]),
      conditioning,
      past_key: past,
      past_value: past,
      beam_index: int64([0], [1]),
    }
    const { logits } = await graphs.step.run(inputs, ['logits'])
    total += logProbability(floats(logits), tokens[length]!)
  }
  return total
}

test('every hypothesis of a batch has the score its tokens have without cache, beams and batch', async () => {
  const { dim, tokens, languages } = manifest.space
  const prefix = [tokens.eos, languages[0]!.token]
  const vectors = Float32Array.from({ length: 3 * dim }, (_, i) => Math.sin(i * 12.9898) * 1.5)
  const results = await decodeVectors(graphs, vectors, dim, prefix, { beam: 4, eos: tokens.eos, pad: tokens.pad, maxLength: 10 })
  expect(results.length).toBe(3)
  for (const [i, hypotheses] of results.entries()) {
    expect(hypotheses.length).toBe(4)
    for (const hypothesis of hypotheses) {
      const sequence = [...prefix, ...hypothesis.tokens]
      const expected = (await score(vectors.subarray(i * dim, (i + 1) * dim), sequence)) / (sequence.length - 1)
      expect(Math.abs(hypothesis.score - expected)).toBeLessThan(1e-4)
    }
  }
})
