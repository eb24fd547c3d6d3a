import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@playwright/test'
import { noema } from './command-line'
import { folderWithSpaceOnly } from './model-folder'
import { smallModel } from './sites'

const folder = mkdtempSync(join(tmpdir(), 'noema-'))
const small = ['--model', smallModel]

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test('continue prints one JSON document, the same for the same seed, in the language asked for', async () => {
  const settings = ['--concepts', '2', '--concept-model', 'two-tower', '--steps', '4', '--json']
  const parameters = ['continue', '--text', 'The sun was warm. Mia went to the park.', ...settings]
  const texts = []
  for (const extra of [
    [...small, '--seed', '1'],
    [...small, '--seed', '1'],
    [...small, '--seed', '2'],
    ['--seed', '1', '--to', 'fra_Latn'],
  ]) {
    const { exitCode, stdout } = await noema(...parameters, ...extra)
    expect(exitCode).toBe(0)
    const result = JSON.parse(stdout)
    expect(result.sentences).toEqual(['The sun was warm.', 'Mia went to the park.'])
    expect(result.concepts).toHaveLength(2)
    texts.push(result.concepts.map((concept: { text: string; language: string }) => `${concept.language} ${concept.text}`).join('\n'))
  }
  expect(texts[1]).toBe(texts[0])
  expect(texts[2]).not.toBe(texts[0])
  expect(texts[3]).toMatch(/^fra_Latn .+\nfra_Latn .+/)
})

test('encode and decode are each other’s input and output', async () => {
  const sentences = file('sentences.txt', 'The dog is in the garden.\nI want to go home.\n')
  const encoded = await noema('encode', '--file', sentences, '--language', 'eng_Latn', '--json')
  expect(encoded.exitCode).toBe(0)
  expect(jsonLines(encoded.stdout).map(({ text }) => text)).toEqual(['The dog is in the garden.', 'I want to go home.'])
  const decoded = await noema(
    'decode',
    '--file',
    file('embeddings.jsonl', encoded.stdout),
    '--language',
    'eng_Latn',
    '--beam',
    '1',
    '--json',
  )
  expect(decoded.exitCode).toBe(0)
  expect(jsonLines(decoded.stdout).map(({ text }) => text)).toEqual(['The dog is in the garden.', 'I want to go home.'])
})

test('sampling writes the same text for the same seed, and is refused beside a beam', async () => {
  const sentences = file('hats.txt', 'The dog is in the garden.\nThe dog is in the garden.\n')
  const parameters = ['translate', ...small, '--file', sentences, '--from', 'eng_Latn', '--to', 'fra_Latn', '--json']
  const sampling = ['--text-top-k', '50', '--text-top-p', '0.98', '--text-temperature', '2', '--max-tokens', '20']
  const drawn = async (seed: string) => {
    const { exitCode, stdout } = await noema(...parameters, ...sampling, '--seed', seed)
    expect(exitCode).toBe(0)
    return jsonLines(stdout).map(({ text }) => text)
  }
  const first = await drawn('1')
  expect(first[0]).not.toBe(first[1])
  expect(await drawn('1')).toEqual(first)
  expect(await drawn('2')).not.toEqual(first)
  const both = await noema(...parameters, '--text-top-k', '5', '--beam', '2')
  expect(both.stderr).toContain('invalid-input: Beam search and sampling exclude each other')
  const nearest = await noema(...parameters, '--text-top-k', '5', '--nearest')
  expect(nearest.stderr).toContain('invalid-input: Beam search and sampling exclude each other')
  const outside = await noema('continue', ...small, '--text', 'Hello.', '--text-top-p', '1.5')
  expect(outside.stderr).toContain('invalid-input: The top-p of text must be from 0 to 1')
})

test('several texts, each several times, are continued as they are alone', async () => {
  const texts = file('texts.txt', 'The sun was warm. Mia went to the park.\nTom had a red ball.\n')
  const settings = [...small, '--concepts', '2', '--concept-model', 'two-tower', '--steps', '4', '--beam', '1', '--json']
  const { exitCode, stdout } = await noema('continue', '--texts', texts, '--samples', '2', '--seed', '3', ...settings)
  expect(exitCode).toBe(0)
  const written = jsonLines(stdout) as { document: number; sample: number; seed: number; text: string; concepts: { text: string }[] }[]
  expect(written.map(({ document, sample, seed }) => [document, sample, seed])).toEqual([
    [0, 0, 3],
    [0, 1, 4],
    [1, 0, 3],
    [1, 1, 4],
  ])
  for (const { text, seed, concepts } of written.slice(1, 3)) {
    const alone = await noema('continue', '--text', text, '--seed', String(seed), ...settings)
    expect(JSON.parse(alone.stdout).concepts.map(({ text }: { text: string }) => text)).toEqual(concepts.map(({ text }) => text))
  }
})

test('a folder with a space only translates, and says that it cannot continue', async () => {
  const model = folderWithSpaceOnly()
  const sentences = file('space.txt', 'I am tired.\n')
  const translated = await noema('translate', '--file', sentences, '--from', 'eng_Latn', '--to', 'spa_Latn', '--model', model, '--json')
  expect(translated.exitCode).toBe(0)
  expect(jsonLines(translated.stdout)[0]!.text).not.toBe('')
  const continued = await noema('continue', '--text', 'I am tired.', '--model', model)
  expect(continued.stderr).toMatch(/no-concept-model: This model folder has no concept model/)
  expect(continued.exitCode).not.toBe(0)
})

test('translate and predict answer line by line', async () => {
  const translated = await noema(
    'translate',
    ...small,
    '--file',
    file('en.txt', 'Good morning!\nI am tired.\n'),
    '--from',
    'eng_Latn',
    '--to',
    'spa_Latn',
    '--json',
  )
  expect(translated.exitCode).toBe(0)
  expect(jsonLines(translated.stdout).map(({ source }) => source)).toEqual(['Good morning!', 'I am tired.'])
  const documents = file(
    'documents.jsonl',
    '{"id":"a","text":"Tom had a ball. It was red. He lost it."}\n{"sentences":["It was late.","They went home."]}\n',
  )
  const predicted = await noema('predict', ...small, '--file', documents, '--concept-model', 'two-tower', '--steps', '4', '--json')
  expect(predicted.exitCode).toBe(0)
  const lines = jsonLines(predicted.stdout)
  expect(lines.map(({ document, index, text }) => [document, index, text])).toEqual([
    ['a', 1, 'It was red.'],
    ['a', 2, 'He lost it.'],
    [1, 1, 'They went home.'],
  ])
  for (const { embedding, predicted } of lines) expect((predicted as number[]).length).toBe((embedding as number[]).length)
})

test('search finds a note in another language, and continue names the notes it recalls', async () => {
  const notes = file('notes.txt', 'Es regnet.\nDer Hund ist im Garten.\nIch habe kein Geld.\n')
  const question = '¿Dónde está el perro?'
  const found = await noema(
    ...[
      'search',
      ...small,
      '--file',
      notes,
      '--language',
      'deu_Latn',
      '--query',
      question,
      '--query-language',
      'spa_Latn',
      '--top',
      '2',
      '--json',
    ],
  )
  expect(found.exitCode).toBe(0)
  const [first, second] = jsonLines(found.stdout)
  expect(first).toMatchObject({ text: 'Der Hund ist im Garten.', language: 'deu_Latn', index: 1 })
  expect(second!.score as number).toBeLessThan(first!.score as number)
  const continued = await noema(
    ...['continue', ...small, '--text', question, '--language', 'spa_Latn', '--concepts', '1', '--json'],
    ...['--notes', notes, '--notes-language', 'deu_Latn', '--recall', '1'],
  )
  expect(continued.exitCode).toBe(0)
  const { recalled, sentences, rows } = JSON.parse(continued.stdout)
  expect(recalled).toEqual([
    { text: 'Der Hund ist im Garten.', language: 'deu_Latn', score: first!.score, source: { kind: 'notes', id: 'notes', index: 1 } },
  ])
  expect(sentences).toEqual([question])
  expect(rows.computed).toBe(2)
})

test('the published code’s golden outputs are reproduced', async () => {
  const { exitCode, stdout } = await noema(
    'conformance',
    '../shared/conformance/lcm.json',
    '../shared/conformance/schedules.json',
    '../shared/conformance/sonar.json',
    '--json',
  )
  const cases = JSON.parse(stdout) as { name: string; kind: string; status: string }[]
  const statusOf = (pattern: RegExp) => [...new Set(cases.filter(({ kind }) => pattern.test(kind)).map(({ status }) => status))]
  expect(statusOf(/^two_tower/)).toEqual(['passed'])
  expect(statusOf(/^schedule|^timesteps/)).toEqual(['passed'])
  expect(statusOf(/^sonar/)).toEqual(['passed'])
  expect(cases.filter(({ kind }) => kind.startsWith('two_tower'))).toHaveLength(5)
  expect(exitCode).toBe(0)
})

test('inspect names the adapter, or what runs in its place', async () => {
  const { exitCode, stdout } = await noema('inspect', '--json')
  expect(exitCode).toBe(0)
  const { device, decoding } = JSON.parse(stdout)
  expect(device).toMatchObject({ backend: 'webgpu', description: expect.stringMatching(/./) })
  expect(decoding).toEqual({ beam: 5, nearest: true })
  const onProcessor = await noema('inspect', ...small, '--backend', 'wasm')
  expect(onProcessor.stdout).toMatch(/^words {6}beam of \d+$/m)
  expect(onProcessor.stdout).toMatch(/^backend {4}wasm\ndevice {5}the processor, threads: \d/m)
})

test('the processor is held to the same conformance cases', async () => {
  const { exitCode, stdout } = await noema('conformance', '../shared/conformance/lcm.json', '--backend', 'wasm', '--json')
  const cases = JSON.parse(stdout) as { status: string }[]
  expect(cases.map(({ status }) => status)).toEqual(new Array(7).fill('passed'))
  expect(exitCode).toBe(0)
})

const mistakes: [what: string, parameters: () => string[], message: RegExp][] = [
  ['no command', () => [], /Usage: noema/],
  ['no text', () => ['continue'], /--text or --file/],
  ['empty text', () => ['continue', ...small, '--text', ''], /invalid-input: .*no sentence/],
  ['a missing file', () => ['encode', '--file', join(folder, 'none.txt')], /cannot be read/],
  ['a picture as text', () => ['encode', '--file', file('picture.png', Uint8Array.from([137, 80, 78, 71, 255, 0]))], /not UTF-8 text/],
  ['an unknown language', () => ['continue', ...small, '--text', 'Hello there.', '--to', 'tlh_Latn'], /unsupported-language/],
  ['an unknown model', () => ['inspect', '--model', 'none'], /download-failed/],
  ['a folder that is no model', () => ['inspect', '--model', folder], /download-failed/],
  ['embeddings of another space', () => ['decode', ...small, '--file', file('short.jsonl', '{"embedding":[1,2]}')], /Line 1 has 2 numbers/],
  ["another space than SONAR's", () => ['verify-sonar', ...small], /invalid-input: The known answers are for SONAR/],
  ["no folder with SONAR's weights", () => ['verify-sonar'], /--model <folder>/],
  ['a conformance file that is none', () => ['conformance', file('other.json', '{"a":1}')], /invalid-input: This is no conformance file/],
  ['a conformance file that is no JSON', () => ['conformance', file('plain.json', 'two_tower')], /plain\.json is not JSON/],
  ['an unknown backend', () => ['inspect', '--backend', 'abacus'], /auto, webgpu, wasm/],
  ['half a concept', () => ['continue', '--text', 'Hello.', '--concepts', '0.5'], /integer from 1/],
]

for (const [what, parameters, message] of mistakes) {
  test(`${what}: a sentence on stderr, nothing on stdout, a non-zero exit code`, async () => {
    const outcome = await noema(...parameters())
    expect(outcome.stderr).toMatch(message)
    expect(outcome.stdout).toBe('')
    expect(outcome.exitCode).not.toBe(0)
  })
}
