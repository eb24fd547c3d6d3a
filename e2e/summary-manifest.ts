import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { BrowserContext } from '@playwright/test'

const mini = resolve(import.meta.dirname, '../public/models/mini')

/** The manifest of `mini`, of whose concept models these have learnt to summarise and no others. */
function manifest(names: readonly string[]): string {
  const { conceptModels, ...rest } = JSON.parse(readFileSync(join(mini, 'manifest.json'), 'utf8'))
  for (const name of Object.keys(conceptModels)) {
    conceptModels[name].summaryPrompt = names.includes(name) ? 'In short.' : undefined
  }
  return JSON.stringify({ ...rest, conceptModels })
}

/** Serves `mini` as a folder in which these concept models have learnt to summarise and no others. */
export async function serveSummarisers(context: BrowserContext, ...names: string[]): Promise<void> {
  const body = manifest(names)
  await context.route('**/models/mini/manifest.json', (route) => route.fulfill({ body, contentType: 'application/json' }))
}

/** A copy of `mini` in which these concept models have learnt to summarise and no others. Returns its path, among temporary files. */
export function folderWithSummarisers(...names: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'noema-summaries-'))
  cpSync(mini, folder, { recursive: true })
  writeFileSync(join(folder, 'manifest.json'), manifest(names))
  return folder
}
