import { requestGpu } from '.'

/** Opens a GPU in a worker and posts back what a tensor round trip gave, or the error. */
requestGpu()
  .then(async (gpu) => postMessage(await gpu.read(gpu.tensor('numbers', [3], { data: Float32Array.of(1, 2, 3) }))))
  .catch((error) => postMessage(String(error)))
