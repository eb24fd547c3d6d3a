import { describe, expect, test } from 'vitest'
import type { Manifest } from '../formats/manifest'
import { Graph } from '../onnx'
import expected from './converted/expected.json'
import manifest from './converted/manifest.json'
import { Space } from './space'
import { targetLogits } from './target-logits'

/** Files of the tiny spaces with random weights that training/tests/make_converted_space.py writes. */
const urls = import.meta.glob<string>(['./converted/**/*', '!./converted/expected.json', '!./converted/manifest.json'], {
  query: '?url',
  import: 'default',
  eager: true,
})

async function filesOf(dtype: string): Promise<Map<string, Uint8Array>> {
  const paths = Object.keys(urls).filter((path) => path.startsWith(`./converted/${dtype}/`) || path.endsWith('/tokenizer.json'))
  return new Map(
    await Promise.all(
      paths.map(async (path) => {
        const response = await fetch(urls[path]!)
        return [path.split('/').at(-1)!, new Uint8Array(await response.arrayBuffer())] as const
      }),
    ),
  )
}

/** Norm of the difference over the norm. */
function relative(got: ArrayLike<number>, want: readonly number[]): number {
  expect(got.length).toBe(want.length)
  return Math.hypot(...want.map((value, i) => got[i]! - value)) / Math.hypot(...want)
}

describe.each([
  ['f32', 1e-5],
  ['q8', 0.03],
  ['q4', 0.4],
] as const)('a space converted from SONAR checkpoints, %s', (dtype, most) => {
  test('encodes text as PyTorch does, with weights beside the graphs', async () => {
    const space = await Space.load(await filesOf(dtype), { space: manifest.space } as Manifest)
    const vectors = await space.encode(expected.sentences, { language: 'eng_Latn' })
    expect(relative(vectors, expected.vectors)).toBeLessThan(most)
    const decoded = await space.decode(vectors, { language: 'zul_Latn', beam: 2, maxTokens: 12 })
    expect(decoded.map(({ score }) => Number.isFinite(score))).toEqual([true, true, true])
    await space.dispose()
  })

  test('gives PyTorch’s logits', async () => {
    const files = await filesOf(dtype)
    const load = (name: string, inputs: string[]) => {
      const externalData = new Map([...files].filter(([file]) => file.startsWith(`${name}.data-`)))
      return Graph.load(name, files.get(name)!, inputs, { externalData })
    }
    const conditioning = await load('decoder-conditioning.onnx', ['embeddings'])
    const step = await load('decoder-step.onnx', ['input_ids', 'conditioning', 'past_key', 'past_value', 'beam_index'])
    const { layers, heads, headDim } = manifest.space.decoder
    const vector = Float32Array.from(expected.vectors.slice(0, manifest.space.dim))
    const logits = await targetLogits({ conditioning, step, layers, heads, headDim }, vector, expected.target)
    expect(relative(logits, expected.logits)).toBeLessThan(most)
    await Promise.all([conditioning.release(), step.release()])
  })
})
