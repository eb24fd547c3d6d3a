import { type ConceptModelManifest, parseConceptModel } from './concept-model-manifest'
import { Field } from './field'

/** A model folder's `manifest.json`, checked. Extra fields are ignored and not kept. */
export interface Manifest {
  format: 'noema-model'
  formatVersion: 1
  name: string
  version: string
  /** SPDX identifier or a sentence. */
  licence: string
  description: string
  /** Every file of the folder but the manifest itself, by its name relative to the folder. */
  files: Record<string, FileEntry>
  space: SpaceManifest
  /** None in a folder that has a space only. */
  conceptModels: Record<string, ConceptModelManifest>
  /** A key of `conceptModels`; empty where there are none. */
  defaultConceptModel: string
}

export interface FileEntry {
  bytes: number
  /** Lower-case hexadecimal. */
  sha256: string
}

export interface SpaceManifest {
  /** Length of a concept vector. */
  dim: number
  languages: LanguageManifest[]
  tokenizer: string
  tokens: { pad: number; unk: number; bos: number; eos: number }
  /** Longest token sequence either tower takes, special tokens included. */
  maxTokens: number
  /** Longest sentence the splitter makes, in UTF-16 units. */
  maxCharacters: number
  encoder: { file: string }
  decoder: { conditioning: string; step: string; layers: number; heads: number; headDim: number }
  /**
   * How vectors are put into words where a call says nothing of it (`TextSettings`): `nearest` of all, `beam` of those that are no predictions of a
   * concept model, which has a beam of its own. Default: the default concept model's beam, and the likeliest of what it finds.
   */
  decoding?: { beam: number; nearest: boolean }
  /** The sentence whose English concept ends a document. */
  endOfText: string
}

export interface LanguageManifest {
  /** FLORES-200 code such as `eng_Latn`. */
  code: string
  /** English name. */
  name: string
  /** Id of the language's token. */
  token: number
}

/**
 * Checks a parsed `manifest.json`.
 * @throws ModelFormatError naming the first field (`details.field`) that is missing, of the wrong type, out of range or that
 * names a file the manifest does not list.
 */
export function parseManifest(json: unknown): Manifest {
  const root = new Field(json, 'manifest')
  root.at('format').oneOf(['noema-model'])
  root.at('formatVersion').oneOf([1])
  const files = root.at('files').map((file, name) => {
    if (!isFileName(name)) throw file.wrong('has a name that is not a plain path inside the folder')
    return { bytes: file.at('bytes').integer(0, 2 ** 40), sha256: file.at('sha256').matching(/^[0-9a-f]{64}$/) }
  })
  const space = parseSpace(root.at('space'), files)
  const conceptModels = root.at('conceptModels').map((model) => {
    const parsed = parseConceptModel(model, files, space.dim)
    const { reread } = parsed.decoding
    if (reread === undefined || space.languages.some(({ code }) => code === reread)) return parsed
    throw model.at('decoding').at('reread').wrong('is not a language of the space')
  })
  const hasConceptModels = Object.keys(conceptModels).length > 0
  const defaultConceptModel = hasConceptModels ? root.at('defaultConceptModel').text() : ''
  if (hasConceptModels && !Object.hasOwn(conceptModels, defaultConceptModel)) {
    throw root.at('defaultConceptModel').wrong('is not one of conceptModels')
  }
  return {
    format: 'noema-model',
    formatVersion: 1,
    name: root.at('name').text(),
    version: root.at('version').text(),
    licence: root.at('licence').text(),
    description: root.at('description').text(),
    files,
    space,
    conceptModels,
    defaultConceptModel,
  }
}

type Files = Record<string, FileEntry>

function parseSpace(space: Field, files: Files): SpaceManifest {
  const tokens = space.at('tokens')
  const decoder = space.at('decoder')
  return {
    dim: space.at('dim').integer(1, 65_536),
    languages: parseLanguages(space.at('languages')),
    tokenizer: space.at('tokenizer').file(files),
    tokens: {
      pad: tokens.at('pad').integer(0),
      unk: tokens.at('unk').integer(0),
      bos: tokens.at('bos').integer(0),
      eos: tokens.at('eos').integer(0),
    },
    maxTokens: space.at('maxTokens').integer(4, 65_536),
    maxCharacters: space.at('maxCharacters').integer(16, 65_536),
    encoder: { file: space.at('encoder').at('file').file(files) },
    decoder: {
      conditioning: decoder.at('conditioning').file(files),
      step: decoder.at('step').file(files),
      layers: decoder.at('layers').integer(1, 1024),
      heads: decoder.at('heads').integer(1, 1024),
      headDim: decoder.at('headDim').integer(1, 65_536),
    },
    ...space.optional('decoding', (decoding) => ({
      beam: decoding.at('beam').integer(1, 64),
      nearest: decoding.at('nearest').oneOf([true, false]),
    })),
    endOfText: space.at('endOfText').text(),
  }
}

function parseLanguages(field: Field): LanguageManifest[] {
  const languages = field.list((language) => ({
    code: language.at('code').matching(/^[a-z]{3}_[A-Z][a-z]{3}$/),
    name: language.at('name').text(),
    token: language.at('token').integer(0),
  }))
  if (languages.length === 0) throw field.wrong('must name at least one language')
  if (new Set(languages.map(({ code }) => code)).size < languages.length) throw field.wrong('names a code twice')
  if (new Set(languages.map(({ token }) => token)).size < languages.length) throw field.wrong('uses a token twice')
  return languages
}

/** Segments of letters, digits, dot, dash and underscore: no way out of the folder, no scheme, query or escape. */
function isFileName(name: string): boolean {
  return name.length <= 255 && name !== 'manifest.json' && name.split('/').every((part) => /^[\w.-]+$/.test(part) && !/^\.+$/.test(part))
}
