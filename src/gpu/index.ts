/** The only code of this library that touches the WebGPU API: a device, tensors, kernels, recorded programs, and read-back. */
export { Gpu, type GpuInfo, requestGpu } from './device'
export type { Kernel, KernelConstants } from './kernel'
export type { Bindings, Program, Workgroups } from './program'
export type { Tensor, TensorOptions, TensorRange, TensorType } from './tensor'
