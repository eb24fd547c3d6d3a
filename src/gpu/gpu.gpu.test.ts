import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DeviceLost, InvalidInput, KernelError } from '../errors'
import { Gpu, requestGpu } from '.'

/** Adds a uniform to every element: values[i] += params.x. */
const addition = `
@group(0) @binding(0) var<uniform> params: vec4f;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;
override FACTOR: f32 = 1;
@compute @workgroup_size(1)
fn main(@builtin(global_invocation_id) id: vec3u) {
  values[id.x] += FACTOR * params.x;
}`

let gpu: Gpu
beforeAll(async () => {
  gpu = await requestGpu()
})
afterAll(() => gpu.destroy())

it('says what it runs on', () => {
  expect(gpu.info.limits.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(2 ** 27)
  expect(gpu.info.software).toBe(/swiftshader|llvmpipe/.test(gpu.info.architecture))
})

it('opens in a worker', async () => {
  const worker = new Worker(new URL('./worker.testing.ts', import.meta.url), { type: 'module' })
  const answer = await new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data)
    worker.onerror = ({ message }) => reject(new Error(message))
  })
  worker.terminate()
  expect(answer).toEqual(Float32Array.of(1, 2, 3))
})

describe('tensors', () => {
  it('are zero at first, and take and give back any run of elements', async () => {
    const tensor = gpu.tensor('t', [2, 3])
    expect(await gpu.read(tensor)).toEqual(new Float32Array(6))
    gpu.write(tensor, Float32Array.of(1, 2), 3)
    expect(await gpu.read(tensor, 2, 3)).toEqual(Float32Array.of(0, 1, 2))
  })

  it('hold halves and integers', async () => {
    // 1, -2, the largest half, the smallest normal one, the smallest denormal one
    const halves = gpu.tensor('halves', [5], { type: 'f16', data: Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001) })
    expect(await gpu.read(halves)).toEqual(Float32Array.of(1, -2, 65504, 2 ** -14, 2 ** -24))
    expect(await gpu.read(halves, 1, 2)).toEqual(Float32Array.of(-2, 65504))
    gpu.write(halves, Uint16Array.of(0x3c00), 4)
    expect(await gpu.read(halves, 3)).toEqual(Float32Array.of(2 ** -14, 1))
    expect(() => gpu.write(halves, Uint16Array.of(0x3c00), 1)).toThrow(InvalidInput)
    expect(() => gpu.write(halves, Uint16Array.of(0x3c00), 0)).toThrow(InvalidInput)
    expect(await gpu.read(gpu.tensor('integers', [2], { type: 'u32', data: Uint32Array.of(7, 1 << 24) }))).toEqual(
      Float32Array.of(7, 2 ** 24),
    )
  })

  it('are copied into larger ones', async () => {
    const [small, large] = [gpu.tensor('small', [2, 2], { data: Float32Array.of(1, 2, 3, 4) }), gpu.tensor('large', [3, 2])]
    gpu.copy(small, large)
    expect(await gpu.read(large)).toEqual(Float32Array.of(1, 2, 3, 4, 0, 0))
  })

  it('are refused when they do not fit', () => {
    const limit = gpu.info.limits.maxStorageBufferBindingSize!
    expect(() => gpu.tensor('huge', [limit / 4 + 1])).toThrow(KernelError)
    for (const shape of [[], [0], [1.5], [-1], [Number.NaN]]) expect(() => gpu.tensor('bad', shape)).toThrow(InvalidInput)
    for (const length of [3, 5]) expect(() => gpu.tensor('bad', [4], { data: new Float32Array(length) })).toThrow(InvalidInput)
    expect(() => gpu.tensor('bad', [3], { type: 'f16', data: new Uint16Array(4) })).toThrow(InvalidInput)
    const tensor = gpu.tensor('t', [4])
    expect(() => gpu.write(tensor, new Float32Array(2), 3)).toThrow(InvalidInput)
    return expect(gpu.read(tensor, 2, 3)).rejects.toThrow(InvalidInput)
  })

  it('may be read many at a time', async () => {
    const tensors = Array.from({ length: 6 }, (_, i) => gpu.tensor(`t${i}`, [i + 100], { data: new Float32Array(i + 100).fill(i) }))
    const answers = await Promise.all(tensors.map((tensor) => gpu.read(tensor)))
    expect(answers.map((values) => [values.length, values[0], values.at(-1)])).toEqual(tensors.map(({ size }, i) => [size, i, i]))
  })
})

describe('kernels', () => {
  it('are compiled once for the same source and constants, also when asked for at the same time', async () => {
    const [first, second] = await Promise.all([gpu.kernel('a', addition), gpu.kernel('b', addition)])
    expect(second).toBe(first)
    expect(await gpu.kernel('c', addition, { FACTOR: 2 })).not.toBe(first)
  })

  it('quote the line that does not compile', async () => {
    const broken = addition.replace('FACTOR * params.x', 'FACTOR * nowhere')
    const error: KernelError = await gpu.kernel('broken', broken).catch((thrown) => thrown)
    expect(error).toBeInstanceOf(KernelError)
    expect(error.message).toContain('  values[id.x] += FACTOR * nowhere;\n')
    expect(error.details).toMatchObject({ label: 'broken', line: 7 })
    await gpu.finished()
  })

  it('say which pipeline was refused', async () => {
    await expect(gpu.kernel('lost', addition, {}, 'elsewhere')).rejects.toThrow(/lost \(elsewhere\)/)
    await expect(gpu.kernel('lost', addition, { UNKNOWN: 1 })).rejects.toThrow(KernelError)
  })
})

describe('programs', () => {
  it('run in order and may be replayed', async () => {
    const kernel = await gpu.kernel('add', addition)
    const twice = await gpu.kernel('add twice', addition, { FACTOR: 2 })
    const values = gpu.tensor('values', [3])
    const [one, two] = [gpu.program('one'), gpu.program('two')]
    one.dispatch(kernel, { params: Float32Array.of(1, 0, 0, 0), tensors: [values] }, [3])
    two.dispatch(twice, { params: Float32Array.of(10, 0, 0, 0), tensors: [values] }, [2])
    gpu.submit([one, two, one])
    gpu.submit([one])
    expect(await gpu.read(values)).toEqual(Float32Array.of(23, 23, 3))
  })

  it('refuse impossible dispatches', async () => {
    const kernel = await gpu.kernel('add', addition)
    const program = gpu.program('refused')
    const bindings = { params: new Float32Array(4), tensors: [gpu.tensor('values', [4])] }
    for (const count of [0, 1.5, 65536]) expect(() => program.dispatch(kernel, bindings, [count])).toThrow(KernelError)
  })

  it('report at the next read what the GPU refused', async () => {
    const kernel = await gpu.kernel('add', addition)
    const program = gpu.program('incomplete')
    const values = gpu.tensor('values', [4])
    program.dispatch(kernel, { tensors: [values] }, [1])
    gpu.submit([program])
    await expect(gpu.read(values)).rejects.toThrow(KernelError)
    expect(await gpu.read(values)).toEqual(new Float32Array(4))
  })

  it('report what was refused in an attempt to nobody else', async () => {
    const values = gpu.tensor('values', [4])
    const gone = gpu.tensor('gone', [4])
    gone.destroy()
    await expect(gpu.attempt(() => gpu.copy(gone, values))).rejects.toThrow(KernelError)
    expect(await gpu.read(values)).toEqual(new Float32Array(4))
    await gpu.attempt(() => gpu.write(values, Float32Array.of(1, 2, 3, 4)))
    expect(await gpu.read(values)).toEqual(Float32Array.of(1, 2, 3, 4))
    await expect(gpu.attempt(() => expect.fail('no call'))).rejects.toThrow('no call')
    await gpu.finished()
  })
})

describe('the end of a device', () => {
  it('rejects pending and later reads when it is destroyed, and is no loss', async () => {
    const doomed = await requestGpu()
    const tensor = doomed.tensor('t', [1024])
    const pending = [doomed.read(tensor), doomed.finished(), doomed.read(tensor)].map((promise) => promise.catch((error) => error))
    doomed.destroy()
    for (const outcome of await Promise.all(pending)) expect(outcome).toBeInstanceOf(DeviceLost)
    await expect(doomed.read(tensor)).rejects.toThrow(DeviceLost)
    await expect(doomed.finished()).rejects.toThrow(DeviceLost)
    await expect(doomed.kernel('add', addition)).rejects.toThrow(DeviceLost)
    const lost = await Promise.race([doomed.lost, new Promise((resolve) => setTimeout(resolve, 50, 'not lost'))])
    expect(lost).toBe('not lost')
  })

  it('is an event and rejects everything when the device is lost', async () => {
    const adapter = await navigator.gpu.requestAdapter()
    const device = await adapter!.requestDevice()
    const failing = new Gpu(device, gpu.info)
    const tensor = failing.tensor('t', [1024])
    const pending = failing.read(tensor).catch((error) => error)
    device.destroy()
    expect(await failing.lost).toBeInstanceOf(DeviceLost)
    expect(await pending).toBeInstanceOf(DeviceLost)
    await expect(failing.read(tensor)).rejects.toThrow(DeviceLost)
    await expect(failing.finished()).rejects.toThrow(DeviceLost)
  })
})
