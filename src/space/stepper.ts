import { ModelFormatError } from '../errors'
import { float32, floats, type Graph, int64, type Tensor } from '../onnx'

/** Inputs of the two decoder graphs. */
export const conditioningInputs = ['embeddings'] as const
export const stepInputs = ['input_ids', 'conditioning', 'past_key', 'past_value', 'beam_index'] as const

/** The decoder's two graphs and the shape of its key/value cache, [layers, rows, heads, length, headDim]. */
export interface DecoderGraphs {
  conditioning: Graph
  step: Graph
  layers: number
  heads: number
  headDim: number
}

/** The step graph with its key/value cache, which stays in ONNX Runtime's own tensors. */
export class Stepper {
  readonly #graphs: DecoderGraphs
  readonly #conditioning: Tensor
  #keys: Tensor
  #values: Tensor

  /** @param conditioning [sentences, layers, width] */
  constructor(graphs: DecoderGraphs, conditioning: Tensor) {
    this.#graphs = graphs
    this.#conditioning = conditioning
    const empty = [graphs.layers, conditioning.dims[0]!, graphs.heads, 0, graphs.headDim]
    this.#keys = float32(new Float32Array(0), empty)
    this.#values = float32(new Float32Array(0), empty)
  }

  /**
   * One token for each row.
   * @param sentences for each row, whose conditioning it uses.
   * @param parents for each row, its row in the step before.
   * @returns logits [rows, vocabulary]
   */
  async step(tokens: readonly number[], sentences: readonly number[], parents: readonly number[]): Promise<Float32Array> {
    const rows = tokens.length
    const output = await this.#graphs.step.run(
      {
        input_ids: int64(tokens, [rows, 1]),
        conditioning: this.#conditioningOf(sentences),
        past_key: this.#keys,
        past_value: this.#values,
        beam_index: int64(parents, [rows]),
      },
      ['logits', 'present_key', 'present_value'],
    )
    this.dispose()
    this.#keys = output.present_key
    this.#values = output.present_value
    const logits = floats(output.logits)
    if (logits.length === 0 || logits.length % rows !== 0) throw new ModelFormatError('The decoder gives logits of the wrong shape.')
    return logits
  }

  dispose(): void {
    this.#keys.dispose()
    this.#values.dispose()
  }

  #conditioningOf(sentences: readonly number[]): Tensor {
    const [, layers, width] = this.#conditioning.dims as [number, number, number]
    const size = layers * width
    const all = floats(this.#conditioning)
    const chosen = new Float32Array(sentences.length * size)
    for (const [index, sentence] of sentences.entries()) chosen.set(all.subarray(sentence * size, (sentence + 1) * size), index * size)
    return float32(chosen, [sentences.length, layers, width])
  }
}
