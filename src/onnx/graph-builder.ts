import { toFloat32 } from '../formats/float16'
import { requireTensor, type StoredTensor, type TensorSource } from '../formats/safetensors'
import { Message } from './protobuf'

/** A value of a graph, by its name. */
export type Value = string

/** A size, or the name of one that differs from run to run. */
export type Size = number | string

/** Of ONNX (onnx.proto, `TensorProto.DataType` and `AttributeProto.AttributeType`). */
const dataTypes = { float32: 1, int64: 7, float16: 10 } as const
const attributeTypes = { integer: 2, integers: 7 } as const

/** The ONNX operator set of the graphs, and the file format's version that it came with. */
const operatorSet = 17
const fileVersion = 8

/**
 * Writes an ONNX graph of f32 values whose weights stay where they are: an initializer is a place in the bytes of a tensor source (ONNX external
 * data). The tensors of a safetensors file are views of one buffer, so ONNX Runtime is handed that file as it is, and nothing is stored twice.
 */
export class GraphBuilder {
  readonly #source: TensorSource
  readonly #nodes: Message[] = []
  readonly #initializers = new Map<Value, Message>()
  /** Tensors of the source that the graph has. */
  readonly #weights = new Set<Value>()
  readonly #inputs = new Map<Value, Message>()
  readonly #outputs: Message[] = []
  /** Buffers with weights, and the names the graph knows them under. */
  readonly #files = new Map<ArrayBufferLike, string>()
  #values = 0

  constructor(source: TensorSource) {
    this.#source = source
  }

  /** What every run gives. */
  input(name: string, shape: readonly Size[]): Value {
    this.#inputs.set(name, valueInfo(name, shape))
    return name
  }

  /** A value that a run can be asked for, by its name. */
  output(name: string, value: Value, shape: readonly Size[]): void {
    this.#node('Identity', [value], [name], {})
    this.#outputs.push(valueInfo(name, shape))
  }

  /** A tensor of the source, as f32. @throws ModelFormatError when it is missing or has another shape. */
  weight(name: string, shape: readonly number[]): Value {
    if (this.#weights.has(name)) return name
    this.#weights.add(name)
    const stored = requireTensor(this.#source, name, shape)
    if (stored.dtype === 'F16') {
      const half = this.#external(`${name}.f16`, dataTypes.float16, stored)
      // ONNX Runtime does this once, when it loads the graph.
      this.#node('Cast', [half], [name], { to: dataTypes.float32 })
      return name
    }
    if (stored.dtype === 'F32') return this.#external(name, dataTypes.float32, stored)
    const { buffer, byteOffset, byteLength } = toFloat32(stored)
    return this.#external(name, dataTypes.float32, { ...stored, bytes: new Uint8Array(buffer, byteOffset, byteLength) })
  }

  /** A constant of whole numbers [n], as shapes and indices are given. */
  integers(values: readonly number[]): Value {
    const name = `integers ${values.join(' ')}`
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
    return this.#constant(name, dataTypes.int64, [values.length], bytes)
  }

  /** A constant f32 number. */
  number(value: number): Value {
    return this.#constant(`number ${value}`, dataTypes.float32, [], new Uint8Array(Float32Array.of(value).buffer))
  }

  /** The result of an ONNX operator. */
  node(operator: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    return this.nodes(operator, inputs, 1, attributes)[0]!
  }

  /** The results of an ONNX operator that has several. */
  nodes(operator: string, inputs: readonly Value[], outputs: number, attributes: Attributes = {}): Value[] {
    const values = Array.from({ length: outputs }, () => `v${this.#values++}`)
    this.#node(operator, inputs, values, attributes)
    return values
  }

  /** The graph, for `Graph.load`. */
  build(): { file: Uint8Array; inputs: string[]; externalData: Map<string, Uint8Array> } {
    const graph = new Message().text(2, 'graph')
    for (const node of this.#nodes) graph.message(1, node)
    for (const initializer of this.#initializers.values()) graph.message(5, initializer)
    for (const input of this.#inputs.values()) graph.message(11, input)
    for (const output of this.#outputs) graph.message(12, output)
    const model = new Message().integer(1, fileVersion).message(7, graph)
    model.message(8, new Message().text(1, '').integer(2, operatorSet))
    const externalData = new Map([...this.#files].map(([buffer, name]) => [name, new Uint8Array(buffer)]))
    return { file: model.finish(), inputs: [...this.#inputs.keys()], externalData }
  }

  #node(operator: string, inputs: readonly Value[], outputs: readonly Value[], attributes: Attributes): void {
    const node = new Message()
    for (const input of inputs) node.text(1, input)
    for (const output of outputs) node.text(2, output)
    node.text(4, operator)
    for (const [name, value] of Object.entries(attributes)) node.message(5, attribute(name, value))
    this.#nodes.push(node)
  }

  #constant(name: string, type: number, shape: readonly number[], bytes: Uint8Array): Value {
    this.#initializers.set(name, tensor(name, type, shape).bytes(9, bytes))
    return name
  }

  #external(name: string, type: number, { shape, bytes }: StoredTensor): Value {
    const location = this.#files.get(bytes.buffer) ?? `weights-${this.#files.size}`
    this.#files.set(bytes.buffer, location)
    const message = tensor(name, type, shape).integer(14, 1)
    for (const [key, value] of Object.entries({ location, offset: bytes.byteOffset, length: bytes.byteLength })) {
      message.message(13, new Message().text(1, key).text(2, String(value)))
    }
    this.#initializers.set(name, message)
    return name
  }
}

/** Of a node: whole numbers from 0, and lists of them. */
export type Attributes = Record<string, number | readonly number[]>

function attribute(name: string, value: Attributes[string]): Message {
  const message = new Message().text(1, name)
  if (typeof value === 'number') return message.integer(3, value).integer(20, attributeTypes.integer)
  for (const item of value) message.integer(8, item)
  return message.integer(20, attributeTypes.integers)
}

function tensor(name: string, type: number, shape: readonly number[]): Message {
  const message = new Message()
  for (const size of shape) message.integer(1, size)
  return message.integer(2, type).text(8, name)
}

function valueInfo(name: string, shape: readonly Size[]): Message {
  const sizes = new Message()
  for (const size of shape) {
    sizes.message(1, typeof size === 'number' ? new Message().integer(1, size) : new Message().text(2, size))
  }
  const type = new Message().integer(1, dataTypes.float32).message(2, sizes)
  return new Message().text(1, name).message(2, new Message().message(1, type))
}
