import { join } from 'node:path'
import { Application, type Comment, type CommentDisplayPart, type DeclarationReflection, ReflectionKind, type SomeType } from 'typedoc'
import * as errors from '../../errors.ts'
import { slug } from './markdown.ts'

/** The reference of everything that `noema.js` exports, as Markdown, from its types and their comments. */
export async function apiReference(root: string): Promise<string> {
  const application = await Application.bootstrap({
    entryPoints: [join(root, 'src/element/index.ts')],
    tsconfig: join(root, 'tsconfig.json'),
    compilerOptions: { types: ['vite/client', '@webgpu/types'] },
    // `tsc` is what checks them.
    skipErrorChecking: true,
    excludePrivate: true,
    excludeProtected: true,
    excludeExternals: true,
    disableSources: true,
    logLevel: 'Warn',
  })
  const project = await application.convert()
  if (!project) throw new Error('TypeDoc could not read the types of the library.')
  const all = (project.children ?? []).toSorted((a, b) => a.name.localeCompare(b.name))
  const isError = ({ name }: DeclarationReflection) => Object.hasOwn(errors, name)
  const doors = ['load', 'eraseEverything', 'Noema', 'Session', 'Memory', 'NoemaWriter'].map((name) => {
    const door = all.find((export_) => export_.name === name)
    if (!door) throw new Error(`The library does not export ${name}.`)
    return door
  })
  const types = all.filter((export_) => !doors.includes(export_) && !isError(export_))
  const writer = new ReferenceWriter(all.map(({ name }) => name))
  return [
    '# API reference',
    'Everything that `noema.js` exports, made from its types.',
    writer.links([...doors, ...types].map(({ name }) => name)),
    ...doors.map((export_) => writer.section(export_, '##')),
    '## Errors',
    'Each has a stable `code`, a `message` that says what to do, and `details`; all extend `NoemaError`.',
    all
      .filter(isError)
      .map((error) => writer.error(error))
      .join('\n\n'),
    '## Types',
    ...types.map((type) => writer.section(type, '###')),
  ].join('\n\n')
}

class ReferenceWriter {
  readonly #names: readonly string[]

  /** @param names of all exports, which others link to */
  constructor(names: readonly string[]) {
    this.#names = names
  }

  /** A class, function or type with all that it has. */
  section(reflection: DeclarationReflection, depth: '##' | '###'): string {
    const { name, signatures, type, children = [] } = reflection
    // What Lit and the browser call is not for others.
    const members = children.filter(({ flags, name }) => !flags.isStatic && name !== 'render' && !name.endsWith('Callback'))
    if (signatures) return this.#callable(reflection, depth)
    return [
      `${depth} ${name}`,
      remark(reflection.comment),
      ...(type ? [code(`type ${name} = ${type}`), this.#links(String(type), name), this.#properties(nested(type))] : []),
      this.#properties(members.filter((member) => !member.signatures && member.kind !== ReflectionKind.Constructor)),
      ...members.filter((member) => member.kind === ReflectionKind.Method).map((method) => this.#callable(method, '###', name)),
    ].join('\n\n')
  }

  error({ name, comment }: DeclarationReflection): string {
    const { code } = (errors as unknown as Record<string, { code?: string }>)[name] ?? {}
    return `### ${name}\n\n${code ? `\`${code}\`: ` : ''}${remark(comment)}`
  }

  /** Links to exports. */
  links(names: readonly string[]): string {
    return names.map((name) => `[${name}](#${slug(name)})`).join(' · ')
  }

  #callable({ name, signatures = [] }: DeclarationReflection, depth: string, owner?: string): string {
    const parts = signatures.flatMap((signature) => {
      const parameters = (signature.parameters ?? []).map((parameter) => ({
        name: parameter.name === '__namedParameters' ? 'options' : parameter.name,
        type: String(parameter.type),
        isOptional: parameter.flags.isOptional || parameter.defaultValue !== undefined,
        comment: parameter.comment,
      }))
      const list = parameters.map(({ name, type, isOptional }) => `${name}${isOptional ? '?' : ''}: ${type}`)
      const declared = `${name}(${list.join(', ')}): ${signature.type}`
      return [
        code(declared),
        remark(signature.comment),
        parameters
          .filter(({ comment }) => comment)
          .map(({ name, comment }) => `- \`${name}\`: ${remark(comment)}`)
          .join('\n'),
        this.#links(declared, owner ?? name),
      ]
    })
    return [`${depth} ${owner ? `${owner}.` : ''}${name}()`, ...parts].join('\n\n')
  }

  #properties(properties: readonly DeclarationReflection[]): string {
    const items = properties.map((property) => {
      const type = property.type ?? property.getSignature?.type
      const comment = remark(property.comment ?? property.getSignature?.comment)
      const links = this.#links(String(type))
      return `- \`${property.name}${property.flags.isOptional ? '?' : ''}: ${type}\`${comment && `: ${comment}`}${links && ` ${links}`}`
    })
    return items.join('\n')
  }

  /** To the exports that a type names, other than the one it is said of. */
  #links(type: string, owner?: string): string {
    const known = this.#names.filter((name) => name !== owner && new RegExp(`\\b${name}\\b`).test(type))
    return known.length > 0 ? `(${this.links(known)})` : ''
  }
}

/** The members of object types inside a type, each once. */
function nested(type: SomeType): DeclarationReflection[] {
  if (type.type === 'union' || type.type === 'intersection') return type.types.flatMap(nested)
  return type.type === 'reflection' ? (type.declaration.children ?? []).filter(({ comment }) => comment) : []
}

/** A comment with what it says of the result and of errors. */
function remark(comment: Comment | undefined): string {
  if (!comment) return ''
  const tags = comment.blockTags.map(({ tag, content }) => {
    const text = inLine(content)
    if (tag === '@throws') return `Throws ${text}`
    return tag === '@returns' ? `Returns ${text}` : text
  })
  return [inLine(comment.summary), ...tags].filter(Boolean).join(' ')
}

function inLine(parts: readonly CommentDisplayPart[]): string {
  return parts
    .map(({ text }) => text)
    .join('')
    .replace(/\s+/g, ' ')
    .trim()
}

function code(text: string): string {
  return `\`\`\`\n${text}\n\`\`\``
}
