import type { GraphBuilder, Value } from '../../onnx'

/** Sizes that the layers of a model share. */
export interface LayerSizes {
  /** d: width of the model. */
  modelDim: number
  heads: number
  /** f: inner width of the feed-forward layers. */
  ffnInner: number
}

/** What a query row sees: keys and values [n, d]. */
export interface KeysAndValues {
  keys: Value
  values: Value
}

/** The parts of a transformer as ONNX nodes, with weights by their names in a checkpoint. Activations are [rows, features]. */
export class Layers {
  readonly graph: GraphBuilder
  readonly #sizes: LayerSizes

  constructor(graph: GraphBuilder, sizes: LayerSizes) {
    this.graph = graph
    this.#sizes = sizes
  }

  /** W x + b: [rows, inputs] → [rows, outputs] */
  linear(name: string, input: Value, outputs: number, inputs: number): Value {
    const { graph } = this
    const weight = graph.weight(`${name}.weight`, [outputs, inputs])
    return graph.node('Gemm', [input, weight, graph.weight(`${name}.bias`, [outputs])], { transB: 1 })
  }

  /** W x + b: [rows, d] → [rows, d] */
  square(name: string, input: Value): Value {
    return this.linear(name, input, this.#sizes.modelDim, this.#sizes.modelDim)
  }

  /** x / sqrt(mean(x²) + 1e-5) · w, and y (1 + scale) + shift where these [1, d] are given. */
  norm(name: string, input: Value, modulation?: { shift: Value; scale: Value }): Value {
    const { graph } = this
    const squares = graph.node('ReduceMean', [graph.node('Mul', [input, input])], { axes: [1] })
    const root = graph.node('Sqrt', [this.add(squares, graph.number(1e-5))])
    const weight = graph.weight(`${name}.weight`, [this.#sizes.modelDim])
    const normed = graph.node('Mul', [graph.node('Div', [input, root]), weight])
    if (!modulation) return normed
    const scaled = graph.node('Mul', [normed, this.add(modulation.scale, graph.number(1))])
    return this.add(scaled, modulation.shift)
  }

  /** SwiGLU, d → f → d */
  feedForward(name: string, input: Value): Value {
    const { modelDim, ffnInner } = this.#sizes
    const gate = this.silu(this.linear(`${name}.gate_proj`, input, ffnInner, modelDim))
    const inner = this.graph.node('Mul', [this.linear(`${name}.inner_proj`, input, ffnInner, modelDim), gate])
    return this.linear(`${name}.output_proj`, inner, modelDim, ffnInner)
  }

  silu(input: Value): Value {
    return this.graph.node('Mul', [input, this.graph.node('Sigmoid', [input])])
  }

  add(a: Value, b: Value): Value {
    return this.graph.node('Add', [a, b])
  }

  /**
   * softmax(q k / √headDim + mask) v for every head.
   * @param query [rows, d]
   * @param mask [rows, n], added to the scores
   */
  attend(query: Value, { keys, values }: KeysAndValues, mask?: Value): Value {
    const { graph } = this
    const { modelDim, heads } = this.#sizes
    const headDim = modelDim / heads
    const split = (value: Value, perm: number[]) =>
      graph.node('Transpose', [graph.node('Reshape', [value, graph.integers([-1, heads, headDim])])], { perm })
    const scores = graph.node('MatMul', [split(query, [1, 0, 2]), split(keys, [1, 2, 0])])
    const scaled = graph.node('Mul', [scores, graph.number(1 / Math.sqrt(headDim))])
    const weights = graph.node('Softmax', [mask ? this.add(scaled, mask) : scaled], { axis: 2 })
    const attended = graph.node('MatMul', [weights, split(values, [1, 0, 2])])
    return graph.node('Reshape', [graph.node('Transpose', [attended], { perm: [1, 0, 2] }), graph.integers([-1, modelDim])])
  }

  /** Each pair (x[2i], x[2i + 1]) turned as a complex number, by the values of `rotation`. */
  rotate(input: Value, { cosines, sines }: { cosines: Value; sines: Value }): Value {
    const { graph } = this
    const exchanged = this.graph.integers(Array.from({ length: this.#sizes.modelDim }, (_, i) => i ^ 1))
    const turned = graph.node('Mul', [graph.node('Gather', [input, exchanged], { axis: 1 }), sines])
    return this.add(graph.node('Mul', [input, cosines]), turned)
  }

  /** Rows [n, layers · 2d] of a cache as each layer's keys and values. */
  caches(rows: Value, layers: number): KeysAndValues[] {
    const parts = this.graph.nodes('Split', [rows], 2 * layers, { axis: 1 })
    return Array.from({ length: layers }, (_, layer) => ({ keys: parts[2 * layer]!, values: parts[2 * layer + 1]! }))
  }

  /** The same with one or more rows added. */
  extended(cache: KeysAndValues, by: KeysAndValues): KeysAndValues {
    const joined = (a: Value, b: Value) => this.graph.node('Concat', [a, b], { axis: 0 })
    return { keys: joined(cache.keys, by.keys), values: joined(cache.values, by.values) }
  }

  /** What `caches` takes apart. */
  rows(layers: readonly KeysAndValues[]): Value {
    const parts = layers.flatMap(({ keys, values }) => [keys, values])
    return this.graph.node('Concat', parts, { axis: 1 })
  }
}

/** What `Layers.rotate` turns a row at an absolute position by (rotary positions of interleaved pairs, θ = 10000), [d] each. */
export function rotation(position: number, { modelDim, heads }: LayerSizes): { cosines: Float32Array; sines: Float32Array } {
  const headDim = modelDim / heads
  const angle = (i: number) => position * 10_000 ** (-(2 * Math.floor((i % headDim) / 2)) / headDim)
  return {
    cosines: Float32Array.from({ length: modelDim }, (_, i) => Math.cos(angle(i))),
    sines: Float32Array.from({ length: modelDim }, (_, i) => (i % 2 === 0 ? -1 : 1) * Math.sin(angle(i))),
  }
}
