import { floats, type Graph, int64 } from '../onnx'
import { decodeVectors } from '../space/decoder'
import { encodeSequences } from '../space/encoder'
import { targetLogits } from '../space/target-logits'
import type { Hypothesis } from '../space/token-search'
import { type CaseField, NotCovered } from './conformance-field'
import type { CaseSettings } from './conformance-generate'
import { type CaseReport, compare, exact, type Output } from './conformance-report'
import { readSonar, type SonarGraphs, type SonarModel, SonarSpace } from './conformance-space'
import { readInput } from './conformance-values'

/** Kind `sonar_encode`: each sentence alone, as users' sentences are encoded, and the batch with its padding. */
export async function runSonarEncode(testCase: CaseField, settings: CaseSettings): Promise<CaseReport> {
  const inputs = testCase.at('inputs').only(['ids', 'lengths'])
  testCase.at('options').only([])
  const expected = testCase.at('expected').only(['embeddings']).at('embeddings').numbers()
  return withModel(testCase, settings, async (space, model) => {
    const encoder = await space.encoder()
    const rows = readRows(inputs.at('ids'), inputs.at('lengths'), model, 'encoder')
    const got = await encodeSequences(encoder, rows, model.dim, settings.signal)
    const outputs: Output[] = [{ name: 'embeddings', got, expected, tolerance: settings.tolerance }]
    if (rows.length > 1) {
      const padded = await encodePadded(encoder, rows, model.pad)
      outputs.push({ name: 'embeddings of the padded batch', got: padded, expected, tolerance: settings.tolerance })
    }
    return compare(testCase.at('name').text(), 'sonar_encode', outputs)
  })
}

/** Kind `sonar_logits`: a target read token by token, as decoding does. */
export async function runSonarLogits(testCase: CaseField, settings: CaseSettings): Promise<CaseReport> {
  const inputs = testCase.at('inputs').only([...sourceKeys, 'ids', 'lengths'])
  testCase.at('options').only([])
  const expected = testCase.at('expected').only(['logits']).at('logits').numbers()
  return withModel(testCase, settings, async (space, model) => {
    const graphs = { encoder: await space.encoder(), decoder: await space.decoder() }
    const targets = readRows(inputs.at('ids'), inputs.at('lengths'), model, 'decoder')
    const vectors = await readVectors(inputs, graphs, model, settings)
    if (vectors.length !== targets.length * model.dim) throw inputs.at('ids').wrong('must have one row for each source')
    const got: number[] = []
    for (const [row, target] of targets.entries()) {
      const vector = vectors.slice(row * model.dim, (row + 1) * model.dim)
      for (const value of await targetLogits(graphs.decoder, vector, target)) got.push(value)
    }
    return compare(testCase.at('name').text(), 'sonar_logits', [{ name: 'logits', got, expected, tolerance: settings.tolerance }])
  })
}

/** Kinds `sonar_beam` and `sonar_greedy` (beam 1): all finished hypotheses of every source, best first. */
export async function runSonarBeam(testCase: CaseField, settings: CaseSettings): Promise<CaseReport> {
  const kind = testCase.at('kind').text()
  const inputs = testCase.at('inputs').only([...sourceKeys, ...prefixKeys])
  const options = testCase.at('options').only([...searchKeys, ...prefixKeys])
  const expected = testCase.at('expected').only(['ids', 'scores'])
  if (options.at('unk_penalty').number(-1e6, 1e6, 0) !== 0) throw options.at('unk_penalty').notCovered()
  if (options.at('temperature').number(0, 1e6, 1) !== 1) throw options.at('temperature').notCovered()
  return withModel(testCase, settings, async (space, model) => {
    const graphs = { encoder: await space.encoder(), decoder: await space.decoder() }
    const prefix = readPrefix(inputs, options, model)
    const most = Math.min(options.at('max_seq_len').integer(2, 1e6, model.positions.decoder), model.positions.decoder)
    const beam = kind === 'sonar_greedy' ? 1 : firstGiven(options, ['beam_size', 'beam']).integer(1, 64, 5)
    const vectors = await readVectors(inputs, graphs, model, settings)
    const found = await decodeVectors(
      graphs.decoder,
      vectors,
      model.dim,
      prefix,
      {
        beam,
        eos: model.eos,
        pad: model.pad,
        maxLength: Math.min(most, prefix.length + options.at('max_gen_len').integer(1, 1e6, most)),
        minLength: options.at('min_gen_len').integer(1, 1e6, 1),
        normalizeScores: options.at('normalize_scores').boolean(true),
        lengthPenalty: options.at('len_penalty').number(-100, 100, 1),
      },
      settings.signal,
    )
    return compare(testCase.at('name').text(), kind, compareHypotheses(found, expected, settings))
  })
}

const sourceKeys = ['source_ids', 'source_lengths', 'embeddings']
const prefixKeys = ['prefix', 'prefix_ids', 'prefix_tokens']
const searchKeys = [
  'beam_size',
  'beam',
  'max_seq_len',
  'min_gen_len',
  'max_gen_len',
  'len_penalty',
  'normalize_scores',
  'unk_penalty',
  'temperature',
]

async function withModel(
  testCase: CaseField,
  settings: CaseSettings,
  run: (space: SonarSpace, model: SonarModel) => Promise<CaseReport>,
): Promise<CaseReport> {
  const model = readSonar(testCase.at('model'))
  const space = new SonarSpace(model, testCase.at('model'), settings.weights === 'f16')
  try {
    return await run(space, model)
  } finally {
    await space.release()
  }
}

/** Token rows without their padding. */
function readRows(field: CaseField, lengths: CaseField, model: SonarModel, tower: 'encoder' | 'decoder'): number[][] {
  const rows = field.list().map((row) => row.integers(0, model.vocabulary - 1))
  const counts = lengths.given ? lengths.integers(1, model.positions[tower]) : rows.map(({ length }) => length)
  if (rows.length === 0 || rows.length > 64 || counts.length !== rows.length)
    throw field.wrong('must have 1 to 64 rows, each with a length')
  return rows.map((row, i) => {
    const count = counts[i]!
    if (count < 1 || count > row.length || count > model.positions[tower]) throw field.wrong('has a row of a length that does not fit')
    return row.slice(0, count)
  })
}

/** The sentence vectors: given as a stream, or those of the source sentences. */
async function readVectors(inputs: CaseField, { encoder }: SonarGraphs, model: SonarModel, settings: CaseSettings): Promise<Float32Array> {
  if (inputs.at('embeddings').given) {
    const { shape, values } = readInput(inputs.at('embeddings'))
    if (shape.at(-1) !== model.dim) throw inputs.at('embeddings').wrong(`must have vectors of ${model.dim} numbers`)
    return values
  }
  const rows = readRows(inputs.at('source_ids'), inputs.at('source_lengths'), model, 'encoder')
  return encodeSequences(encoder, rows, model.dim, settings.signal)
}

/** One run of the encoder's graph over a batch with padding, which users' sentences never have. */
async function encodePadded(encoder: Graph, rows: readonly number[][], pad: number): Promise<Float32Array> {
  const length = Math.max(...rows.map((row) => row.length))
  const positions = Array.from({ length }, (_, position) => position)
  const shape = [rows.length, length]
  const { embeddings } = await encoder.run(
    {
      input_ids: int64(
        rows.flatMap((row) => positions.map((position) => row[position] ?? pad)),
        shape,
      ),
      attention_mask: int64(
        rows.flatMap((row) => positions.map((position) => Number(position < row.length))),
        shape,
      ),
    },
    ['embeddings'],
  )
  return floats(embeddings)
}

/** The tokens all sequences begin with; a list of one list a row must be the same in all rows. */
function readPrefix(inputs: CaseField, options: CaseField, model: SonarModel): number[] {
  const field = [inputs, options].map((fields) => firstGiven(fields, prefixKeys)).find(({ given }) => given)
  if (!field) throw new NotCovered('A case without prefix tokens is not covered.')
  const items = field.list()
  if (!Array.isArray(items[0]?.value)) return field.integers(0, model.vocabulary - 1)
  const rows = items.map((row) => row.integers(0, model.vocabulary - 1))
  if (rows.some((row) => row.join() !== rows[0]!.join())) throw new NotCovered('Prefixes that differ between rows are not covered.')
  return rows[0]!
}

function firstGiven(fields: CaseField, keys: readonly string[]): CaseField {
  return keys.map((key) => fields.at(key)).find(({ given }) => given) ?? fields.at(keys[0]!)
}

/** Token ids are exact with full weights; with half-precision ones the README compares scores only. */
function compareHypotheses(found: Hypothesis[][], expected: CaseField, { weights, tolerance }: CaseSettings): Output[] {
  const outputs: Output[] = []
  const all = found.flat()
  if (expected.at('ids').given && weights === 'f32') {
    const wanted = sequences(expected.at('ids'))
    const [lengths, ids] = [wanted.map(({ length }) => length), wanted.flat()]
    outputs.push({ name: 'lengths of the hypotheses', got: all.map(({ tokens }) => tokens.length), expected: lengths, tolerance: exact })
    outputs.push({ name: 'ids', got: all.flatMap(({ tokens }) => tokens), expected: ids, tolerance: exact })
  }
  if (expected.at('scores').given) {
    outputs.push({ name: 'scores', got: all.map(({ score }) => score), expected: expected.at('scores').numbers(), tolerance })
  }
  return outputs
}

/** The innermost lists of a list of token lists, however deep they lie. */
function sequences(field: CaseField): number[][] {
  const items = field.list()
  return items.some(({ value }) => Array.isArray(value)) ? items.flatMap(sequences) : [field.integers(0, 1e6)]
}
