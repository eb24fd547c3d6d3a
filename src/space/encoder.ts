import { ModelFormatError, throwIfAborted } from '../errors'
import { floats, type Graph, int64, nextTask } from '../onnx'
import { batches } from './batches'

/** Inputs of the encoder graph. */
export const encoderInputs = ['input_ids', 'attention_mask'] as const

/** Tokens in one run: enough to keep the processor busy, few enough for an abort to act soon. */
const tokensPerRun = 2048

/**
 * Runs the encoder over token sequences. Only sequences of one length share a run, so none is padded and none depends on its neighbours.
 * @returns [n, dim], row i for sequence i.
 * @throws Aborted between runs.
 */
export async function encodeSequences(
  graph: Graph,
  sequences: readonly number[][],
  dim: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const embeddings = new Float32Array(sequences.length * dim)
  for (const batch of batches(
    sequences.map((sequence) => sequence.length),
    tokensPerRun,
  )) {
    const length = sequences[batch[0]!]!.length
    const shape = [batch.length, length]
    const { embeddings: output } = await graph.run(
      {
        input_ids: int64(
          batch.flatMap((index) => sequences[index]!),
          shape,
        ),
        attention_mask: int64(new Uint8Array(batch.length * length).fill(1), shape),
      },
      ['embeddings'],
    )
    const rows = floats(output)
    if (rows.length !== batch.length * dim) throw new ModelFormatError(`The encoder gives vectors that are not of ${dim} elements.`)
    for (const [row, index] of batch.entries()) embeddings.set(rows.subarray(row * dim, (row + 1) * dim), index * dim)
    output.dispose()
    await nextTask()
    throwIfAborted(signal)
  }
  return embeddings
}
