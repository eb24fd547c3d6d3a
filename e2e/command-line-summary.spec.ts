import { execFile } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, test } from '@playwright/test'
import { noema } from './command-line'
import { folderWithSummarisers } from './summary-manifest'

const sentences = ['Der Hund ist im Garten.', 'Es regnet.', 'Er will nach Hause.']
const folder = folderWithSummarisers('base-lcm')
const settings = ['--language', 'deu_Latn', '--model', folder, '--concept-model', 'base-lcm', '--beam', '1']

test('summarize takes a text, a file or standard input, and prints one JSON document or plain sentences', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'noema-')), 'text.txt')
  writeFileSync(file, sentences.join('\n\n'))
  const json = await noema('summarize', '--file', file, '--ratio', '0.5', '--to', 'spa_Latn', '--seed', '2', '--json', ...settings)
  expect(json.exitCode).toBe(0)
  const result = JSON.parse(json.stdout)
  expect(result).toMatchObject({ sentences, ratio: 0.5, seed: 2, rows: { computed: 4 }, reused: 0, stop: expect.any(String) })
  expect(result.concepts.length).toBeGreaterThan(0)
  expect(result.concepts.length).toBeLessThanOrEqual(2)
  for (const concept of result.concepts) expect(concept).toMatchObject({ language: 'spa_Latn', text: expect.any(String) })

  const plain = await fed(sentences.join(' '), 'summarize', '--ratio', '0.5', '--to', 'spa_Latn', ...settings)
  expect(plain).toEqual({ exitCode: 0, stdout: `${result.concepts.map(({ text }: { text: string }) => text).join('\n')}\n` })
})

test('a ratio or a concept model that does not do ends in a sentence', async () => {
  const text = ['--text', 'Es regnet.', '--language', 'deu_Latn', '--model', folder]
  const [large, unable] = [
    await noema('summarize', ...text, '--ratio', '2', '--concept-model', 'base-lcm'),
    await noema('summarize', ...text, '--concept-model', 'two-tower'),
  ]
  expect([large.exitCode, large.stderr.trim()]).toEqual([1, 'invalid-input: ratio must be a number above 0 and at most 1, not 2.'])
  expect(unable.exitCode).toBe(1)
  expect(unable.stderr.trim()).toBe('invalid-input: The concept model two-tower has not learnt to summarise: choose base-lcm, which has.')
})

/** As `noema`, with something on standard input. */
function fed(input: string, ...parameters: string[]): Promise<{ exitCode: number; stdout: string }> {
  return new Promise((done) => {
    const command = execFile(
      process.execPath,
      ['--import', 'tsx', 'cli/noema.ts', ...parameters],
      { cwd: resolve(import.meta.dirname, '..') },
      (error, stdout) => done({ exitCode: error ? Number(error.code ?? 1) : 0, stdout }),
    )
    command.stdin?.end(input)
  })
}
