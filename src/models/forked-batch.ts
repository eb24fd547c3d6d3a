import { InvalidInput } from '../errors'
import type { BatchRequest, ConceptBatch, ConceptModel, PredictOptions } from './concept-model'

/** Documents that are continued one after another, each in a memory of its own: for models that cannot take them together. */
export class ForkedBatch implements ConceptBatch {
  readonly #models: ConceptModel[]

  constructor(model: ConceptModel, documents: number) {
    this.#models = Array.from({ length: documents }, () => model.fork())
  }

  get size(): number {
    return this.#models.length
  }

  importRows(document: number, rows: Float32Array): Promise<void> {
    return this.#model(document).importRows(rows)
  }

  append(document: number, concept: Float32Array): Promise<void> {
    return this.#model(document).append(concept)
  }

  async predict(
    requests: readonly BatchRequest[],
    options: Omit<PredictOptions, 'noise' | 'onStep' | 'onTrajectory'> = {},
  ): Promise<Float32Array[]> {
    const concepts: Float32Array[] = []
    for (const { document, noise } of requests) concepts.push(await this.#model(document).predict({ ...options, noise }))
    return concepts
  }

  dispose(): void {
    for (const model of this.#models) model.dispose()
  }

  #model(document: number): ConceptModel {
    const model = this.#models[document]
    if (!model) throw new InvalidInput(`The batch has ${this.size} documents and no document ${document}.`)
    return model
  }
}
