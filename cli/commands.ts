import type { Page } from '@playwright/test'
import { measureResume } from '../bench/resume'
import { measureSpeed } from '../bench/speed'
import type * as Api from '../src/api'
import { CommandError, withPage } from './browser'
import { briefArguments } from './chromium'
import { readDocuments, readEmbeddings, readJson, readLines, readText } from './input'

export interface Common {
  model: string
  backend: Api.Backend
  json?: boolean
}

export interface Sampling extends Api.SamplingSettings {
  language: string
  seed: number
  conceptModel?: string
}

export async function continueText(
  options: Common &
    Sampling &
    Api.TextSettings & {
      text?: string
      file?: string
      concepts: number
      to?: string
      recall?: number
      notes?: string
      notesLanguage?: string
    },
) {
  const { model, backend, json, text: given, file, notes, notesLanguage, ...settings } = options
  if (given === undefined && file === undefined)
    throw new CommandError('usage', 'Give the text with --text or --file, or several with --texts.')
  const text = given ?? readText(file as string)
  const result = await withNoema(
    { model, backend },
    async ({ noema, onEvent }, [text, settings, notes, language]) => {
      if (notes.length > 0) await noema.memory.add(notes, { language })
      const concepts: { index: number; text: string; language: string; timing: object }[] = []
      const stream = noema.continue(text, settings)
      for (;;) {
        const { value, done } = await stream.next()
        if (done) {
          const { name, version, device } = noema.info
          const recalled = value.recalled.map(({ embedding: _, ...recalled }) => recalled)
          return {
            ...value,
            recalled,
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
    [text, settings, notes === undefined ? [] : readLines(notes), notesLanguage ?? settings.language] as const,
    (sentence) => {
      if (!json) console.log(sentence)
    },
  )
  if (json) printJson({ ...result, text, seed: settings.seed })
}

export async function search({
  model,
  backend,
  json,
  file,
  language,
  query,
  queryLanguage,
  top,
}: Common & { file: string; language: string; query: string; queryLanguage?: string; top: number }) {
  const found = await withNoema(
    { model, backend },
    async ({ noema }, [notes, language, query, queryLanguage, top]) => {
      await noema.memory.add(notes, { language })
      const found = await noema.memory.search(query, top, { language: queryLanguage })
      return found.map(({ text, language, score, source }) => ({ text, language, score, index: source.index }))
    },
    [readLines(file), language, query, queryLanguage ?? language, top] as const,
  )
  for (const line of found) {
    if (json) printJson(line)
    else console.log(`${line.score.toFixed(4)}\t${line.index}\t${line.text}`)
  }
}

export async function encode({ model, backend, json, file, language }: Common & { file: string; language: string }) {
  const sentences = readLines(file)
  const embeddings = await withNoema(
    { model, backend },
    async ({ noema }, [sentences, language]) => ({ flat: Array.from(await noema.encode(sentences, { language })), dim: noema.info.dim }),
    [sentences, language] as const,
  )
  sentences.forEach((text, i) => {
    const embedding = embeddings.flat.slice(i * embeddings.dim, (i + 1) * embeddings.dim)
    if (json) printJson({ text, embedding })
    else console.log(`${text}\t${embedding.map((value) => value.toPrecision(5)).join(' ')}`)
  })
}

export async function decode({ model, backend, json, file, ...settings }: Common & Api.DecodeOptions & { file: string }) {
  const texts = await withNoema(
    { model, backend },
    ({ noema }, [embeddings, settings]) => {
      const dim = noema.info.dim
      const wrong = embeddings.findIndex((embedding) => embedding.length !== dim)
      if (wrong >= 0) throw new Error(`Line ${wrong + 1} has ${embeddings[wrong]?.length} numbers; the space of this model has ${dim}.`)
      return noema.decode(Float32Array.from(embeddings.flat()), settings)
    },
    [readEmbeddings(file), settings] as const,
  )
  for (const text of texts) {
    if (json) printJson({ text })
    else console.log(text)
  }
}

export async function translate({ model, backend, json, file, ...settings }: Common & Api.TranslateOptions & { file: string }) {
  const lines = readLines(file)
  const texts = await withNoema(
    { model, backend },
    async ({ noema }, [lines, { from, to, ...text }]) =>
      noema.decode(await noema.encode(lines, { language: from }), { ...text, language: to }),
    [lines, settings] as const,
  )
  lines.forEach((source, i) => {
    if (json) printJson({ source, text: texts[i] })
    else console.log(texts[i])
  })
}

export async function predict({ model, backend, json, file, language, ...sampling }: Common & Sampling & { file: string }) {
  await withNoema(
    { model, backend },
    async ({ noema, onEvent }, [documents, language, sampling]) => {
      for (const [document, { id, ...content }] of documents.entries()) {
        const documentLanguage = content.language ?? language
        const sentences = content.sentences ?? (await noema.split(content.text ?? '', { language: documentLanguage }))
        for (const concept of await noema.predict(sentences, { ...sampling, language: documentLanguage })) {
          const { index, text } = concept
          const [embedding, predicted] = [Array.from(concept.embedding), Array.from(concept.predicted)]
          onEvent(JSON.stringify({ document: id ?? document, index, text, embedding, predicted }))
        }
      }
    },
    [readDocuments(file), language, sampling] as const,
    (line) => console.log(json ? line : describePrediction(line)),
  )
}

export async function conformance(files: string[], { backend, json }: Omit<Common, 'model'>) {
  const reports = await withNoema(
    { model: 'mini', backend },
    async ({ noema }, contents) => {
      const reports = []
      for (const content of contents) reports.push(await noema.conformance(content))
      return reports
    },
    files.map(readJson),
  )
  const cases = reports.flatMap((report, i) => report.map((result) => ({ file: files[i], ...result })))
  if (json) printJson(cases)
  else for (const result of cases) console.log(describeCase(result))
  const count = (status: string) => cases.filter((result) => result.status === status).length
  console.error(`${count('passed')} passed, ${count('failed')} failed, ${count('not covered')} not yet covered`)
  if (count('failed') > 0) process.exitCode = 1
}

export async function verifySonar({ model, backend, json }: Common) {
  const reports = await withNoema({ model, backend }, ({ noema }) => noema.verifySonar(), undefined)
  if (json) printJson(reports)
  else for (const report of reports) console.log(describeCase(report))
  if (reports.some(({ status }) => status !== 'passed')) process.exitCode = 1
}

export async function inspect({ model, backend, json }: Common) {
  const info = await withNoema({ model, backend }, async ({ noema }) => noema.info, undefined)
  if (json) return printJson(info)
  console.log(`model      ${info.name} ${info.version} (${info.licence})`)
  console.log(`space      ${info.dim} dimensions, ${info.languages.map(({ code }) => code).join(' ')}`)
  const { beam, nearest } = info.decoding
  console.log(
    `words      ${beam === 1 ? 'the likeliest token each time' : `beam of ${beam}`}${nearest ? ', the nearest to the vector' : ''}`,
  )
  for (const [name, { family, maxConcepts, settings, summaryPrompt }] of Object.entries(info.conceptModels)) {
    const values = Object.entries(settings).map(([setting, value]) => `${setting} ${value}`)
    const skills = summaryPrompt === undefined ? [] : ['summarises']
    console.log(
      `concepts   ${name}${name === info.defaultConceptModel ? ' (default)' : ''}: ${[family, ...skills, `up to ${maxConcepts} concepts`, ...values].join(', ')}`,
    )
  }
  console.log(`backend    ${info.device.backend}`)
  if (info.device.backend === 'wasm') return console.log(`device     the processor, threads: ${info.device.threads}. ${info.device.reason}`)
  console.log(`device     ${info.device.description}${info.device.software ? ' (software)' : ''}`)
  console.log(`features   ${info.device.features.join(' ')}`)
  for (const [name, value] of Object.entries(info.device.limits)) console.log(`limit      ${name} ${value}`)
}

type BenchOptions = Common & { concepts: number[]; visits: number }

export function bench(what: 'resume' | 'speed', options: BenchOptions) {
  return what === 'resume' ? benchResume(options) : benchSpeed(options)
}

async function benchResume({ model, backend, json, concepts }: BenchOptions) {
  const measurements = await measureResume({ model, backend }, concepts)
  if (json) return printJson(measurements)
  for (const { concepts, cold, reload, append, edit, decoded, identical } of measurements) {
    const inMilliseconds = (times: object) => Object.entries(times).map(([name, time]) => `${name} ${time.toFixed(0)} ms`)
    console.log(`${concepts} concepts${identical ? '' : ' (NOT identical)'}`)
    console.log(`  next concept  ${inMilliseconds({ cold, reload, append, edit }).join(', ')}; ${(cold / reload).toFixed(1)} times sooner`)
    console.log(`  decoded       ${inMilliseconds(decoded).join(', ')}; ${(decoded.cold / decoded.reload).toFixed(1)} times sooner`)
  }
}

async function benchSpeed({ model, backend, json, visits }: BenchOptions) {
  const { load, encode, decode, predict, ...measured } = await measureSpeed({ model, backend }, visits)
  if (json) return printJson({ ...measured, load, encode, decode, predict })
  console.log(`load      first visit ${load.first.toFixed(0)} ms, again ${load.again.toFixed(0)} ms`)
  console.log(`encode    ${encode.toFixed(1)} ms a sentence`)
  for (const [name, time] of Object.entries(predict)) {
    console.log(`predict   ${time.toFixed(1)} ms a concept by ${name}, decoded in ${decode[name]!.toFixed(1)} ms`)
  }
}

/** What runs in the page: the loaded model, and a way to send a line out while the work goes on. */
interface InPage {
  noema: Api.Noema
  onEvent: (line: string) => void
}

/**
 * Loads the model in the page and runs `work` there. `work` is sent to the page as source, so it may use nothing but its arguments.
 *
 * @throws CommandError with the typed error's code and sentence.
 */
export async function withNoema<A, R>(
  { model, backend }: Pick<Common, 'model' | 'backend'>,
  work: (page: InPage, argument: A) => Promise<R>,
  argument: A,
  onEvent?: (line: string) => void,
): Promise<R> {
  return withPage(
    model,
    async (page: Page, model) => {
      await page.exposeFunction('noemaEvent', onEvent ?? (() => undefined))
      const outcome = await page.evaluate(
        async ([source, model, backend, argument]) => {
          const site = (await import(new URL('noema.js', document.baseURI).href)) as typeof Api
          try {
            const noema = await site.load(model, { backend })
            const work = new Function(`return (${source})`)()
            return { result: await work({ noema, onEvent: (globalThis as { noemaEvent?: unknown }).noemaEvent }, argument) }
          } catch (error) {
            const { code = 'error', message } = error as { code?: string; message: string }
            return { error: { code, message } }
          }
        },
        [String(work), model, backend, argument] as const,
      )
      if ('error' in outcome && outcome.error) throw new CommandError(outcome.error.code, outcome.error.message)
      return outcome.result as R
    },
    briefArguments(),
  )
}

function describePrediction(line: string): string {
  const { document, index, text, embedding, predicted } = JSON.parse(line) as {
    document: string
    index: number
    text: string
    embedding: number[]
    predicted: number[]
  }
  const distance = Math.hypot(...embedding.map((value, i) => value - (predicted[i] ?? 0)))
  return `${document}\t${index}\tl2 ${distance.toFixed(4)}\t${text}`
}

function describeCase({
  name,
  status,
  reason,
  arrays,
}: {
  name: string
  status: string
  reason?: string
  arrays: { name: string; maxAbsolute: number; maxRelative: number; worst: { index: number; got: number; expected: number } }[]
}): string {
  const worst = arrays.map(({ name, maxAbsolute, maxRelative, worst: { index, got, expected } }) => {
    const differences = `${maxAbsolute.toExponential(2)} abs ${maxRelative.toExponential(2)} rel`
    return `${name} ${differences}, worst [${index}] ${got} for ${expected}`
  })
  return [`${status.padEnd(12)}${name}`, ...worst, ...(reason ? [reason] : [])].join('\n    ')
}

export function printJson(value: unknown): void {
  console.log(JSON.stringify(value))
}
