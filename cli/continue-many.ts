import type * as Api from '../src/api'
import { CommandError } from './browser'
import { type Common, printJson, type Sampling, withNoema } from './commands'
import { readLines, readText } from './input'

/** Several texts, or one text several times, continued together; a JSON line, or a line of text, for each. */
export async function continueMany(
  options: Common & Sampling & Api.ContinueManyOptions & { text?: string; file?: string; texts?: string },
): Promise<void> {
  const { model, backend, json, text, file, texts, ...settings } = options
  if (text === undefined && file === undefined && texts === undefined) {
    throw new CommandError('usage', 'Give the text with --text or --file, or several with --texts.')
  }
  const given = texts === undefined ? [text ?? readText(file as string)] : readLines(texts)
  const { recall, notes } = settings as { recall?: number; notes?: string }
  if (recall !== undefined || notes !== undefined) {
    throw new CommandError('usage', 'With --samples or --texts nothing is recalled: leave out --recall and --notes.')
  }
  const documents = await withNoema(
    { model, backend },
    async ({ noema }, [texts, settings]) => {
      const written: Omit<Api.ConceptOfMany, 'embedding' | 'timing'>[] = []
      const stream = noema.continueMany(texts, settings)
      for (;;) {
        const { value, done } = await stream.next()
        if (done) {
          return value.map((ended) => {
            const own = written.filter(({ document, sample }) => document === ended.document && sample === ended.sample)
            return { ...ended, concepts: own.map(({ index, text, language }) => ({ index, text, language })) }
          })
        }
        const { document, sample, index, text, language } = value
        written.push({ document, sample, index, text, language })
      }
    },
    [given, settings] as const,
  )
  for (const { sample, ...document } of documents) {
    if (json) printJson({ ...document, sample, text: given[document.document], seed: settings.seed + sample })
    else console.log(`${document.document}\t${sample}\t${document.concepts.map(({ text }) => text).join(' ')}`)
  }
}
