import { Aborted, ContextFull, load, type Noema, NoemaError, type Progress } from '../api'
import { ConceptMap } from './concept-map'
import { element, fillLanguages, show } from './elements'

const form = element('form', HTMLFormElement)
const text = element('text', HTMLTextAreaElement)
const language = element('language', HTMLSelectElement)
const to = element('to', HTMLSelectElement)
const steps = element('steps', HTMLInputElement)
const guidance = element('guidance', HTMLInputElement)
const continueButton = element('continue', HTMLButtonElement)
const stopButton = element('stop', HTMLButtonElement)
const keepButton = element('keep', HTMLButtonElement)
const sentenceList = element('sentences', HTMLOListElement)
const outcome = element('outcome', HTMLParagraphElement)

/** `?manual` shows the page without loading a model: for scripts that drive the library themselves. */
if (!new URLSearchParams(location.search).has('manual')) start()

async function start(): Promise<void> {
  const loading = element('loading', HTMLParagraphElement)
  const bar = element('loading-bar', HTMLProgressElement)
  try {
    const noema = await load('mini', {
      onProgress(progress) {
        show(loading, describeProgress(progress))
        bar.max = progress.total
        bar.value = progress.loaded
      },
    })
    bar.hidden = true
    show(
      loading,
      `Ready: ${noema.info.name} ${noema.info.version}, ${noema.info.languages.length} languages.${noema.info.storage.warning ? ` ${noema.info.storage.warning.message}` : ''}`,
    )
    ready(noema)
  } catch (error) {
    bar.hidden = true
    show(loading, 'The model could not be loaded.')
    showError(error)
  }
}

function ready(noema: Noema): void {
  const { device, languages } = noema.info
  const model = defaultModel(noema)
  show(
    element('device', HTMLParagraphElement),
    device.gpu
      ? `Concepts are predicted by WebGPU on ${device.description}${device.software ? ', a software adapter: this is the processor, not a graphics card, and slow' : ''}.`
      : `No GPU: ${device.reason}`,
  )
  fillLanguages(language, languages)
  fillLanguages(to, languages)
  // A Base-LCM has neither.
  for (const dial of [steps, guidance]) dial.disabled = model.family !== 'two_tower'
  if (model.family === 'two_tower') {
    steps.value = String(model.settings.steps)
    guidance.value = String(model.settings.guidance)
  }
  continueButton.disabled = !device.gpu
  language.addEventListener('change', () => {
    to.value = language.value
  })

  const map = new ConceptMap(element('map', HTMLCanvasElement))
  let running: AbortController | undefined
  stopButton.addEventListener('click', () => running?.abort())
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (running) return
    running = new AbortController()
    setRunning(true)
    try {
      await continueText(noema, map, running.signal)
    } catch (error) {
      if (error instanceof Aborted) show(outcome, 'Stopped.')
      else showError(error)
    } finally {
      running = undefined
      setRunning(false)
    }
  })
  keepButton.addEventListener('click', keep)
}

/** Shows the text's sentences as concepts, then each new one as soon as it is there. */
async function continueText(noema: Noema, map: ConceptMap, signal: AbortSignal): Promise<void> {
  showError(undefined)
  show(outcome, 'Reading…')
  sentenceList.replaceChildren()
  const from = language.value
  const concepts = Number(element('concepts', HTMLInputElement).value)
  const sentences = await noema.split(text.value, { language: from, signal })
  const { maxConcepts } = defaultModel(noema)
  if (sentences.length + concepts > maxConcepts) {
    throw new ContextFull(
      `The text has ${sentences.length} sentences; with ${concepts} new ones that is more than the ${maxConcepts} this model can hold. Shorten it.`,
    )
  }
  for (const sentence of sentences) addSentence(sentence, from, false)
  const embeddings = await noema.encode(sentences, { language: from, signal })
  const { dim } = noema.info
  map.reset(
    sentences,
    sentences.map((_, i) => embeddings.slice(i * dim, (i + 1) * dim)),
  )

  show(outcome, 'Thinking…')
  const seed = Number(element('seed', HTMLInputElement).value)
  const stream = noema.continue(text.value, {
    language: from,
    to: to.value,
    concepts,
    seed,
    ...(!steps.disabled && { steps: Number(steps.value), guidance: Number(guidance.value) }),
    signal,
  })
  for (;;) {
    const { value, done } = await stream.next()
    if (done) return show(outcome, describeStop(value.stop))
    addSentence(value.text, value.language, true)
    map.add(value.text, value.embedding)
  }
}

function defaultModel({ info }: Noema) {
  return info.conceptModels[info.defaultConceptModel]!
}

function addSentence(sentence: string, code: string, isNew: boolean): void {
  const item = document.createElement('li')
  item.textContent = sentence
  item.lang = code.slice(0, 3)
  item.classList.toggle('new', isNew)
  sentenceList.append(item)
}

/** Moves the new sentences into the text, so that the next continuation starts after them. */
function keep(): void {
  const added = [...sentenceList.querySelectorAll('li.new')].map((item) => item.textContent)
  text.value = [text.value.trim(), ...added].join(' ')
  for (const item of sentenceList.querySelectorAll('li.new')) item.classList.remove('new')
  keepButton.disabled = true
}

function setRunning(isRunning: boolean): void {
  continueButton.disabled = isRunning
  stopButton.disabled = !isRunning
  keepButton.disabled = isRunning || language.value !== to.value || !sentenceList.querySelector('li.new')
}

function describeProgress({ stage, file, loaded, total }: Progress): string {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1)
  switch (stage) {
    case 'download':
      return `Downloading ${file}: ${megabytes(loaded)} of ${megabytes(total)} MB`
    case 'verify':
      return `Checking ${file}: ${megabytes(loaded)} of ${megabytes(total)} MB`
    case 'compile':
      return `Preparing ${file}: ${loaded} of ${total}`
  }
}

function describeStop(stop: string): string {
  switch (stop) {
    case 'end-of-text':
      return 'The model has ended its text.'
    case 'repetition':
      return 'The model began to repeat itself and was stopped.'
    default:
      return ''
  }
}

function showError(error: unknown): void {
  const box = element('error', HTMLParagraphElement)
  box.hidden = error === undefined
  if (error === undefined) return
  show(outcome, '')
  show(box, error instanceof NoemaError ? error.message : `Something went wrong: ${error instanceof Error ? error.message : error}`)
}
