import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { endWithReader } from './closed-pipe'
import { bench, conformance, continueText, decode, encode, inspect, predict, search, translate, verifySonar } from './commands'
import { continueMany } from './continue-many'
import { summarize } from './summarize'

const program = new Command('noema')
  .description('A concept model in headless Chromium: the same page and worker that serve users.')
  .showHelpAfterError()
  .exitOverride()

const model = () => new Option('--model <name or folder>', 'a model of the site, or a model folder').default('mini')
const backend = () =>
  new Option('--backend <name>', 'what predicts concepts; auto takes WebGPU where there is an adapter')
    .choices(['auto', 'webgpu', 'wasm'])
    .default('auto')
const json = () => new Option('--json', 'print JSON on stdout')
const seed = () => new Option('--seed <n>', 'seed of every random choice').argParser(integer(0)).default(0)
const conceptModel = () => new Option('--concept-model <name>', 'one of the concept models of the model folder')
const language = () => new Option('--language <code>', 'FLORES-200 code of the text').default('eng_Latn')
const file = (what: string) => new Option('--file <file>', what).makeOptionMandatory()

/** How a concept is sampled; the model's own defaults hold for what is left out, and what its family does not heed is refused. */
function withSampling(command: Command): Command {
  return command
    .addOption(seed())
    .addOption(new Option('--steps <n>', 'inference timesteps').argParser(integer(1)))
    .addOption(new Option('--timesteps <mode>', 'which noise levels the steps visit').choices(['reference', 'paper']))
    .addOption(new Option('--guidance <g>', 'guidance scale, 1 is none').argParser(number))
    .addOption(new Option('--guidance-rescale <r>', 'guidance rescale, 0 to 1').argParser(number))
    .addOption(new Option('--initial-noise-scale <s>', 'factor on the first noise').argParser(number))
    .addOption(new Option('--epsilon-scaling <s>', 'divides the noise estimate').argParser(number))
    .addOption(new Option('--eta <e>', 'fresh noise in every step, 0 to 1').argParser(number))
    .addOption(
      new Option(
        '--temperature <t>',
        'of a Base-LCM the noise added to its prediction, of a Quant-LCM the spread of its units; 0 is none',
      ).argParser(number),
    )
    .addOption(new Option('--top-k <k>', 'how many of the likeliest units a Quant-LCM draws from').argParser(integer(1)))
}

/** How concepts are put into words. */
function withText(command: Command): Command {
  return command
    .addOption(new Option('--beam <n>', 'beam size, 1 is greedy').argParser(integer(1)))
    .addOption(new Option('--nearest', 'read again what the beam has found, and keep what fits the vector best'))
    .addOption(new Option('--no-nearest', 'keep the likeliest, as the reference does'))
    .addOption(new Option('--text-top-k <k>', 'draw tokens, from the k likeliest').argParser(integer(1)))
    .addOption(new Option('--text-top-p <p>', 'draw tokens, from the likeliest that together exceed p').argParser(number))
    .addOption(new Option('--text-temperature <t>', 'draw tokens, with the logits divided by t').argParser(number))
    .addOption(new Option('--text-drafts <n>', 'draw each sentence n times and keep the best').argParser(integer(1)))
    .addOption(new Option('--max-tokens <n>', 'longest sentence in tokens').argParser(integer(3)))
}

withText(withSampling(program.command('continue')))
  .description('continue a text, concept by concept')
  .addOption(new Option('--text <text>', 'the text'))
  .addOption(new Option('--file <file>', 'a file with the text').conflicts('text'))
  .addOption(new Option('--texts <file>', 'several texts, one a line, to continue together').conflicts(['text', 'file']))
  .addOption(new Option('--samples <n>', 'how often to continue each text, with one seed after another').argParser(integer(1)))
  .addOption(new Option('--concepts <n>', 'how many to write at most').argParser(integer(1)).default(5))
  .addOption(language())
  .addOption(new Option('--to <code>', 'language to write in (default: --language)'))
  .addOption(new Option('--reread', 'go on from what each new sentence says, read again by the encoder'))
  .addOption(new Option('--no-reread', 'go on from the predictions, as the reference does'))
  .addOption(new Option('--notes <file>', 'notes to remember first, one a line'))
  .addOption(new Option('--notes-language <code>', 'FLORES-200 code of the notes (default: --language)'))
  .addOption(new Option('--recall <k>', 'how many of the notes to put before the text at most').argParser(integer(0)))
  .addOption(conceptModel())
  .addOption(model())
  .addOption(backend())
  .addOption(json())
  .action((options) => (options.samples === undefined && options.texts === undefined ? continueText(options) : continueMany(options)))

withText(withSampling(program.command('summarize')))
  .description('summarise a text: --text, --file or else what comes in on standard input')
  .addOption(new Option('--text <text>', 'the text'))
  .addOption(new Option('--file <file>', 'a file with the text').conflicts('text'))
  .addOption(
    new Option('--ratio <r>', 'sentences of the summary at most, as a share of those of the text, 0 to 1').argParser(number).default(0.2),
  )
  .addOption(language())
  .addOption(new Option('--to <code>', 'language to write in (default: --language)'))
  .addOption(conceptModel())
  .addOption(model())
  .addOption(backend())
  .addOption(json())
  .action(summarize)

program
  .command('search')
  .description('notes, one a line → those most like a query, in any language: cosine, number of the sentence, sentence')
  .addOption(file('one note a line'))
  .addOption(language())
  .addOption(new Option('--query <text>', 'what to search for').makeOptionMandatory())
  .addOption(new Option('--query-language <code>', 'FLORES-200 code of the query (default: --language)'))
  .addOption(new Option('--top <k>', 'how many to find').argParser(integer(1)).default(5))
  .addOption(model())
  .addOption(backend())
  .addOption(json())
  .action(search)

program
  .command('encode')
  .description('sentences, one a line → embeddings')
  .addOption(file('one sentence a line'))
  .addOption(language())
  .addOption(model())
  .addOption(backend())
  .addOption(json())
  .action(encode)

withText(program.command('decode'))
  .description('embeddings, one JSON object a line → sentences')
  .addOption(file('lines of {"embedding": […]}'))
  .addOption(language())
  .addOption(seed())
  .addOption(model())
  .addOption(backend())
  .addOption(json())
  .action(decode)

withText(program.command('translate'))
  .description('sentences, one a line → the same in another language')
  .addOption(file('one sentence a line'))
  .addOption(new Option('--from <code>', 'language of the file').makeOptionMandatory())
  .addOption(new Option('--to <code>', 'language to write in').makeOptionMandatory())
  .addOption(seed())
  .addOption(model())
  .addOption(backend())
  .addOption(json())
  .action(translate)

withSampling(program.command('predict'))
  .description('documents → for every sentence but the first, the true and the predicted concept (teacher forcing)')
  .addOption(file('lines of {"sentences": […]}, {"text": "…"} or {"paragraphs": […]}, with an optional "language"'))
  .addOption(language())
  .addOption(conceptModel())
  .addOption(model())
  .addOption(backend())
  .addOption(json())
  .action(predict)

program
  .command('conformance')
  .description('compare the engine with the golden outputs of the published code')
  .argument('<file...>', 'golden outputs: lcm.json, schedules.json, sonar.json')
  .addOption(backend())
  .addOption(json())
  .action(conformance)

program
  .command('verify-sonar')
  .description("compare a model folder made from SONAR's weights (training/convert_sonar.py) with SONAR's known answers")
  .addOption(new Option('--model <folder>', 'the model folder').makeOptionMandatory())
  .addOption(backend())
  .addOption(json())
  .action(verifySonar)

program
  .command('inspect')
  .description('what the engine found: model, adapter, features, limits')
  .addOption(model())
  .addOption(backend())
  .addOption(json())
  .action(inspect)

program
  .command('bench')
  .description(
    'measure: resume (how soon a document goes on: cold, after a reload, an appended sentence, an edit) or speed (of loading, encoding, predicting, decoding)',
  )
  .addArgument(new Argument('<name>', 'what to measure').choices(['resume', 'speed']))
  .addOption(
    new Option('--concepts <list>', 'resume: lengths of the documents in sentences, with commas between')
      .argParser((list) => list.split(',').map(integer(2)))
      .default([16, 128, 1000]),
  )
  .addOption(new Option('--visits <number>', 'speed: first visits, each followed by a second one').argParser(integer(1)).default(3))
  .addOption(model())
  .addOption(backend())
  .addOption(json())
  .action(bench)

endWithReader()
try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode
  } else {
    const { code, message } = error as { code?: string; message: string }
    console.error(code ? `${code}: ${message}` : message)
    process.exitCode = 1
  }
}

function integer(least: number) {
  return (text: string): number => {
    const value = Number(text)
    if (!Number.isSafeInteger(value) || value < least) throw new InvalidArgumentError(`It must be an integer from ${least}.`)
    return value
  }
}

function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.')
  return value
}
