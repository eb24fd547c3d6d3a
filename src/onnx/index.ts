export { float32, floats, Graph, int64, runtime, type Tensor } from './graph'
export { GraphBuilder, type Value } from './graph-builder'
export { nextTask } from './next-task'
