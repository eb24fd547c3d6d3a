import { WebGpuUnavailable } from '../errors'
import type {
  BaseLcmArchitecture,
  OneTowerArchitecture,
  QuantLcmArchitecture,
  QuantLcmFamily,
  TwoTowerArchitecture,
} from '../formats/concept-model-manifest'
import type { TensorSource } from '../formats/safetensors'
import type { Gpu } from '../gpu'
import type { ConceptModel } from './concept-model'
import type { SchedulerConfig } from './schedule'
import type { TwoTowerPasses } from './two-tower'

/**
 * What a concept model runs on: a GPU, or the processor by ONNX Runtime's WebAssembly. The code of a family is fetched with the first model of it:
 * most pages need one.
 */
export type Machine = Gpu | 'wasm'

/** @throws ModelFormatError, InvalidInput for a schedule that does not exist, KernelError. */
export async function loadTwoTower(
  machine: Machine,
  source: TensorSource,
  architecture: TwoTowerArchitecture,
  scheduler?: Partial<SchedulerConfig>,
): Promise<TwoTowerPasses> {
  if (machine !== 'wasm') {
    const { TwoTower } = await import('./two-tower')
    return TwoTower.load(machine, source, architecture, scheduler)
  }
  const { WasmTwoTower } = await import('./wasm/two-tower')
  return WasmTwoTower.load(source, architecture, scheduler)
}

/** @throws ModelFormatError, InvalidInput for a schedule that does not exist, KernelError. */
export async function loadOneTower(
  machine: Machine,
  source: TensorSource,
  architecture: OneTowerArchitecture,
  scheduler?: Partial<SchedulerConfig>,
): Promise<ConceptModel> {
  if (machine !== 'wasm') {
    const { OneTower } = await import('./one-tower')
    return OneTower.load(machine, source, architecture, scheduler)
  }
  const { WasmOneTower } = await import('./wasm/one-tower')
  return WasmOneTower.load(source, architecture, scheduler)
}

/** @throws ModelFormatError, KernelError. */
export async function loadBaseLcm(machine: Machine, source: TensorSource, architecture: BaseLcmArchitecture): Promise<ConceptModel> {
  if (machine !== 'wasm') {
    const { BaseLcm } = await import('./base-lcm')
    return BaseLcm.load(machine, source, architecture)
  }
  const { WasmBaseLcm } = await import('./wasm/base-lcm')
  return WasmBaseLcm.load(source, architecture)
}

/** @throws ModelFormatError, KernelError; WebGpuUnavailable on the processor, for which there are no graphs of this family. */
export async function loadQuantLcm(
  machine: Machine,
  source: TensorSource,
  family: QuantLcmFamily,
  architecture: QuantLcmArchitecture,
): Promise<ConceptModel> {
  if (machine === 'wasm')
    throw new WebGpuUnavailable('A Quant-LCM runs on WebGPU only: choose another concept model, or a browser with WebGPU.')
  const { QuantLcm } = await import('./quant-lcm')
  return QuantLcm.load(machine, source, family, architecture)
}
