import type * as Api from '../src/api'
import { type Common, printJson, type Sampling, withNoema } from './commands'
import { readStandardInput, readText } from './input'

/** The summary of a text, a sentence a line as they are written; as JSON one document. The text by default: standard input. */
export async function summarize(
  options: Common & Sampling & Api.TextSettings & { text?: string; file?: string; ratio: number; to?: string },
): Promise<void> {
  const { model, backend, json, text: given, file, ...settings } = options
  const text = given ?? (file === undefined ? readStandardInput() : readText(file))
  const result = await withNoema(
    { model, backend },
    async ({ noema, onEvent }, [text, settings]) => {
      const concepts: { index: number; text: string; language: string; timing: object }[] = []
      const stream = noema.summarize(text, settings)
      for (;;) {
        const { value, done } = await stream.next()
        if (done) {
          const { name, version, device } = noema.info
          return {
            ...value,
            concepts,
            model: `${name} ${version}`,
            backend: device.backend,
            device: device.backend === 'wasm' ? device.reason : device.description,
          }
        }
        const { index, text, language, timing } = value
        concepts.push({ index, text, language, timing })
        onEvent(text)
      }
    },
    [text, settings] as const,
    (sentence) => {
      if (!json) console.log(sentence)
    },
  )
  if (json) printJson({ ...result, text, ratio: settings.ratio, seed: settings.seed })
}
