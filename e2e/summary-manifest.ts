import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext } from '@playwright/test'
import { smallModel } from './sites'

/** The manifest of the small model, of whose concept models these have learnt to summarise and no others. */
function manifest(names: readonly string[]): string {
  const { conceptModels, ...rest } = JSON.parse(readFileSync(join(smallModel, 'manifest.json'), 'utf8'))
  for (const name of Object.keys(conceptModels)) {
    conceptModels[name].summaryPrompt = names.includes(name) ? 'In short.' : undefined
  }
  return JSON.stringify({ ...rest, conceptModels })
}

/** Serves the small model as one in which these concept models have learnt to summarise and no others. */
export async function serveSummarisers(context: BrowserContext, ...names: string[]): Promise<void> {
  const body = manifest(names)
  await context.route('**/models/mini/manifest.json', (route) => route.fulfill({ body, contentType: 'application/json' }))
}

/** A copy of the small model in which these concept models have learnt to summarise and no others. Returns its path, among temporary files. */
export function folderWithSummarisers(...names: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'noema-summaries-'))
  cpSync(smallModel, folder, { recursive: true })
  writeFileSync(join(folder, 'manifest.json'), manifest(names))
  return folder
}
