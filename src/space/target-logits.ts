import { float32 } from '../onnx'
import { type DecoderGraphs, Stepper } from './stepper'

/**
 * Logits of a given target, read token by token with the cache.
 * @param vector [dim]
 * @returns [tokens, vocabulary]: row i for the token after `tokens[i]`.
 */
export async function targetLogits(graphs: DecoderGraphs, vector: Float32Array, tokens: readonly number[]): Promise<Float32Array> {
  const { conditioning } = await graphs.conditioning.run({ embeddings: float32(vector, [1, vector.length]) }, ['conditioning'])
  const stepper = new Stepper(graphs, conditioning)
  try {
    const rows: Float32Array[] = []
    for (const token of tokens) rows.push((await stepper.step([token], [0], [0])).slice())
    const logits = new Float32Array(rows.reduce((sum, { length }) => sum + length, 0))
    for (const [i, values] of rows.entries()) logits.set(values, i * values.length)
    return logits
  } finally {
    stepper.dispose()
  }
}
