export { float32, floats, Graph, int64, type RuntimeFiles, runtime, type Tensor, useRuntimeFiles } from './graph'
export { GraphBuilder, type Value } from './graph-builder'
export { nextTask } from './next-task'
