import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Aborted, InvalidInput, ModelFormatError, UnsupportedLanguage } from '../errors'
import { type Manifest, parseManifest } from '../formats/manifest'
import { Space } from './space'

const folder = '/models/mini/'
const sentences = ['Tom is at home.', 'The little fox went to the river.', 'Où est le chat ?', 'Yes.', 'What did she say to the old man?']

let manifest: Manifest
let files: Map<string, Uint8Array>
let space: Space

beforeAll(async () => {
  manifest = parseManifest(await (await fetch(`${folder}manifest.json`)).json())
  const { tokenizer, encoder, decoder } = manifest.space
  const names = [tokenizer, encoder.file, decoder.conditioning, decoder.step]
  files = new Map(
    await Promise.all(names.map(async (name) => [name, new Uint8Array(await (await fetch(folder + name)).arrayBuffer())] as const)),
  )
  space = await Space.load(files, manifest)
})

afterAll(() => space?.dispose())

/** Largest difference of two vectors relative to the largest element. */
function difference(a: Float32Array, b: Float32Array): number {
  const largest = a.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0) / largest
}

describe('Space', () => {
  test('reports each part it opens', async () => {
    const steps: string[] = []
    const other = await Space.load(files, manifest, ({ file, loaded, total }) => steps.push(`${file} ${loaded}/${total}`))
    expect(steps).toEqual([
      `${manifest.space.tokenizer} 0/4`,
      `${manifest.space.encoder.file} 1/4`,
      `${manifest.space.decoder.conditioning} 2/4`,
      `${manifest.space.decoder.step} 3/4`,
      `${manifest.space.decoder.step} 4/4`,
    ])
    await other.dispose()
  })

  test('a sentence has the same vector alone and among others', async () => {
    const together = await space.encode(sentences, { language: 'eng_Latn' })
    expect(together.length).toBe(sentences.length * space.dim)
    expect(together.every(Number.isFinite)).toBe(true)
    for (const [i, sentence] of sentences.entries()) {
      const alone = await space.encode([sentence], { language: 'eng_Latn' })
      expect(difference(alone, together.subarray(i * space.dim, (i + 1) * space.dim))).toBeLessThan(1e-5)
    }
  })

  test('the language is part of what is encoded', async () => {
    const [english, german] = await Promise.all(['eng_Latn', 'deu_Latn'].map((language) => space.encode(['Hut'], { language })))
    expect(difference(english!, german!)).toBeGreaterThan(1e-3)
  })

  test('decodes many vectors as it decodes each alone', async () => {
    const vectors = await space.encode(sentences, { language: 'eng_Latn' })
    const options = { language: 'eng_Latn', maxTokens: 24 }
    const together = await space.decode(vectors, options)
    expect(together.length).toBe(sentences.length)
    for (const [i, { text, score }] of together.entries()) {
      const [alone] = await space.decode(vectors.subarray(i * space.dim, (i + 1) * space.dim), options)
      expect(alone!.text).toBe(text)
      expect(alone!.score).toBeCloseTo(score, 4)
      expect(score).toBeLessThan(0)
    }
  })

  test('of what a beam finds the nearest sentence is written, and no sentence is farther than the likeliest', async () => {
    const written = [
      'Schau dich im Spiegel an.',
      'Er fuhr mit dem Fahrrad zu seiner alten Schule.',
      'Warum hast du ein Gesicht an die Wand gemalt?',
    ]
    const vectors = await space.encode(written, { language: 'deu_Latn' })
    const options = { language: 'deu_Latn', beam: 6 }
    const [found, likeliest] = [await space.candidates(vectors, { ...options, nearest: true }), await space.candidates(vectors, options)]
    for (const [i, all] of found.entries()) {
      const vector = vectors.subarray(i * space.dim, (i + 1) * space.dim)
      const distance = async (text: string) => {
        const read = await space.encode([text], { language: 'deu_Latn' })
        return Math.hypot(...read.map((value, k) => value - vector[k]!))
      }
      expect(all.map(({ text }) => text).toSorted()).toEqual(likeliest[i]!.map(({ text }) => text).toSorted())
      const values = await Promise.all(
        all.map(async ({ text, score }) => score - Math.log((await distance(text)) + 1e-3 * Math.hypot(...vector))),
      )
      expect(values).toEqual(values.toSorted((a, b) => b - a))
      expect(await distance(all[0]!.text)).toBeLessThanOrEqual(await distance(likeliest[i]![0]!.text))
    }
  })

  test('vectors of no sentence are put into words as well, and read again where that is wanted', async () => {
    let state = 5
    const vectors = Float32Array.from({ length: 12 * space.dim }, () => {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5
      return state / 2 ** 29
    })
    for (const { code: language } of space.languages) {
      const decoded = await space.decode(vectors, { language, beam: 3, nearest: true, maxTokens: 8 })
      expect(decoded).toHaveLength(12)
    }
  })

  test('more vectors than fit one run give as many sentences', async () => {
    const vector = await space.encode(['Tom is at home.'], { language: 'eng_Latn' })
    const many = new Float32Array(space.dim * 70)
    for (let i = 0; i < 70; i++) many.set(vector, i * space.dim)
    const decoded = await space.decode(many, { language: 'eng_Latn', beam: 1, maxTokens: 8 })
    expect(new Set(decoded.map(({ text }) => text)).size).toBe(1)
    expect(decoded.length).toBe(70)
  })

  test('a wider beam never finds a less probable best hypothesis of forced length', async () => {
    const vectors = await space.encode(sentences, { language: 'eng_Latn' })
    const scores = async (beam: number) =>
      (await space.decode(vectors, { language: 'fra_Latn', beam, maxTokens: 4 })).map(({ score }) => score)
    const [narrow, wide] = [await scores(1), await scores(64)]
    for (const [i, score] of wide.entries()) expect(score).toBeGreaterThanOrEqual(narrow[i]! - 1e-5)
  })

  test.each([1, 3])('draws many sentences, %i drafts each, as it draws each alone, and each with numbers of its own', async (drafts) => {
    const vector = await space.encode(['What did she say to the old man?'], { language: 'eng_Latn' })
    const many = new Float32Array(4 * space.dim)
    for (let i = 0; i < 4; i++) many.set(vector, i * space.dim)
    const drawn = async (vectors: Float32Array, first: number) => {
      const random = (index: number) => {
        let step = 0
        return () => Math.abs(Math.sin(12.9898 * ++step + 78.233 * (first + index))) * 0.999
      }
      const sampling = { temperature: 4.5, topK: 100, topP: 0.95, drafts, random }
      return (await space.decode(vectors, { language: 'eng_Latn', maxTokens: 16, sampling })).map(({ text }) => text)
    }
    const together = await drawn(many, 0)
    expect(new Set(together).size).toBeGreaterThan(1)
    for (const [i, text] of together.entries()) expect(await drawn(vector, i)).toEqual([text])
  })

  test('drawing the likeliest token is greedy decoding', async () => {
    const vectors = await space.encode(sentences, { language: 'eng_Latn' })
    const greedy = await space.decode(vectors, { language: 'eng_Latn', beam: 1 })
    const drawn = await space.decode(vectors, { language: 'eng_Latn', sampling: { topK: 1, random: () => () => 0.5 } })
    expect(drawn.map(({ text }) => text)).toEqual(greedy.map(({ text }) => text))
  })

  test('nothing in, nothing out', async () => {
    expect(await space.encode([], { language: 'eng_Latn' })).toEqual(new Float32Array(0))
    expect(await space.decode(new Float32Array(0), { language: 'eng_Latn' })).toEqual([])
  })

  test('takes any text there is without crashing', async () => {
    const odd = [
      '\ud800',
      '😀👨‍👩‍👧',
      'שלום עולם',
      '</s> __fra_Latn__ <0x41>',
      '\u0000x',
      'x'.repeat(2_000_000),
      '!!!',
      'e\u0301'.repeat(1000),
    ]
    const vectors = await space.encode(odd, { language: 'eng_Latn' })
    expect(vectors.every(Number.isFinite)).toBe(true)
    await space.decode(vectors, { language: 'spa_Latn', beam: 2, maxTokens: 6 })
  })

  test('refuses what it cannot do, by type', async () => {
    const vector = await space.encode(['Yes.'], { language: 'eng_Latn' })
    await expect(space.encode(['x'], { language: 'xyz_Latn' })).rejects.toThrow(UnsupportedLanguage)
    await expect(space.decode(vector, { language: 'en' })).rejects.toThrow(UnsupportedLanguage)
    await expect(space.encode(['x', ' \u200b\n'], { language: 'eng_Latn' })).rejects.toThrow(InvalidInput)
    await expect(space.decode(vector.subarray(1), { language: 'eng_Latn' })).rejects.toThrow(InvalidInput)
    await expect(
      space.decode(
        vector.map(() => Number.NaN),
        { language: 'eng_Latn' },
      ),
    ).rejects.toThrow(InvalidInput)
    await expect(space.decode(vector, { language: 'eng_Latn', beam: 0 })).rejects.toThrow(InvalidInput)
    await expect(space.decode(vector, { language: 'eng_Latn', maxTokens: 2 })).rejects.toThrow(InvalidInput)
    expect(() => space.split(' — …\n', 'eng_Latn')).toThrow(InvalidInput)
    expect(() => space.requireLanguage('xx')).toThrow(UnsupportedLanguage)
  })

  test('an abort ends a long call between steps', async () => {
    const lines = Array.from({ length: 400 }, (_, i) => `${'Sentence number '.repeat((i % 9) + 1)}${i}.`)
    const encoding = new AbortController()
    setTimeout(() => encoding.abort(), 20)
    await expect(space.encode(lines, { language: 'eng_Latn', signal: encoding.signal })).rejects.toThrow(Aborted)
    const vectors = await space.encode(lines.slice(0, 60), { language: 'eng_Latn' })
    const decoding = new AbortController()
    setTimeout(() => decoding.abort(), 20)
    await expect(space.decode(vectors, { language: 'eng_Latn', signal: decoding.signal })).rejects.toThrow(Aborted)
    await expect(space.encode(['x'], { language: 'eng_Latn', signal: AbortSignal.abort() })).rejects.toThrow(Aborted)
  })

  test('disposing ends the calls still running', async () => {
    const other = await Space.load(files, manifest)
    const running = expect(other.decode(new Float32Array(space.dim * 40), { language: 'eng_Latn' })).rejects.toThrow(Aborted)
    await other.dispose()
    await running
    await expect(other.encode(['x'], { language: 'eng_Latn' })).rejects.toThrow(Aborted)
    await other.dispose()
  })

  test('refuses folders whose files are not what the manifest says', async () => {
    const { tokenizer, encoder, decoder } = manifest.space
    const broken: [string, Uint8Array][] = [
      [tokenizer, new TextEncoder().encode('{}')],
      [tokenizer, Uint8Array.of(255, 254)],
      [encoder.file, new Uint8Array(100)],
      [encoder.file, files.get(decoder.conditioning)!],
      [decoder.step, files.get(encoder.file)!.slice(0, 1000)],
    ]
    for (const [name, file] of broken)
      await expect(Space.load(new Map([...files, [name, file]]), manifest)).rejects.toThrow(ModelFormatError)
    await expect(Space.load(new Map(), manifest)).rejects.toThrow(ModelFormatError)
    const moved = { ...manifest, space: { ...manifest.space, languages: [{ code: 'eng_Latn', name: 'English', token: 5 }] } }
    await expect(Space.load(files, moved)).rejects.toThrow(ModelFormatError)
  })
})
