import { beforeEach, expect, test, vi } from 'vitest'
import { Aborted, InvalidInput, KernelError } from '../errors'
import { Engine } from './engine'
import { LoadedModel } from './loaded-model'

const { change } = vi.hoisted(() => ({ change: vi.fn() }))
vi.mock('./loaded-model', () => ({ LoadedModel: { load: vi.fn() } }))
vi.mock('./document-library', () => ({
  DocumentLibrary: class {
    change = change
  },
}))

const encode = vi.fn()
const dropConceptModels = vi.fn()
let engine: Engine

beforeEach(async () => {
  vi.clearAllMocks()
  vi.mocked(LoadedModel.load).mockResolvedValue({ info: {}, encode, dropConceptModels } as unknown as LoadedModel)
  engine = new Engine()
  await engine.load(1, { url: 'mini', backend: 'auto' }, vi.fn(), vi.fn())
})

/** Something that ends when it is told to. */
function pending<T>() {
  let end: (value: T) => void = () => undefined
  const promise = new Promise<T>((resolve) => {
    end = resolve
  })
  return { promise, end }
}

const append = { kind: 'append', text: 'Tom ran.', language: 'eng_Latn' } as const
const content = { title: '', sentences: [], remembered: false }

test('a change of a document that is aborted too late is told of as made', async () => {
  const storing = pending<typeof content>()
  change.mockReturnValue(storing.promise)
  const made = engine.changeDocument(2, 'diary', append)
  await vi.waitFor(() => expect(change).toHaveBeenCalled())
  engine.abort(2)
  storing.end(content)
  expect(await made).toBe(content)
})

test('a change that an abort prevents, and one that waits for its turn, are not made', async () => {
  const encoding = pending<Float32Array>()
  encode.mockReturnValue(encoding.promise)
  const before = engine.encode(2, ['Tom ran.'], 'eng_Latn')
  const waiting = engine.changeDocument(3, 'diary', append)
  engine.abort(3)
  await expect(waiting).rejects.toThrow(Aborted)
  encoding.end(new Float32Array(1))
  await before
  change.mockImplementation(
    (_model, _id, _change, signal: AbortSignal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Aborted('The call was aborted.')))
      }),
  )
  const prevented = engine.changeDocument(4, 'diary', append)
  await vi.waitFor(() => expect(change).toHaveBeenCalledTimes(1))
  engine.abort(4)
  await expect(prevented).rejects.toThrow(Aborted)
})

test('any other call ends at once when it is aborted', async () => {
  encode.mockReturnValue(new Promise(() => undefined))
  const encoding = engine.encode(2, ['Tom ran.'], 'eng_Latn')
  await vi.waitFor(() => expect(encode).toHaveBeenCalled())
  engine.abort(2)
  await expect(encoding).rejects.toThrow(Aborted)
})

test('after a kernel error the concept models are made ready anew, after another error they stay', async () => {
  encode.mockRejectedValueOnce(new InvalidInput('no'))
  await expect(engine.encode(2, [], 'eng_Latn')).rejects.toThrow(InvalidInput)
  expect(dropConceptModels).not.toHaveBeenCalled()
  encode.mockRejectedValueOnce(new KernelError('The GPU has no memory left.'))
  await expect(engine.encode(3, [], 'eng_Latn')).rejects.toThrow(KernelError)
  expect(dropConceptModels).toHaveBeenCalledTimes(1)
})
