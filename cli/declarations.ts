import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'

/**
 * Writes the types of some modules, and of what those types need, as a package publishes them: relative imports with file endings, nothing that is
 * marked `@internal`.
 *
 * @param root holds `tsconfig.json` and `src/`.
 * @param entries modules below `src/`, from the root.
 * @param folder gets `api/index.d.ts` for `src/api/index.ts`.
 * @throws Error when a type cannot be written down.
 */
export function writeDeclarations(root: string, entries: readonly string[], folder: string): void {
  const declarations = declarationsOf(root, entries)
  const outputOf = (source: string) => resolve(root, source.replace(/\.ts$/, '.d.ts'))
  const wanted = entries.map(outputOf)
  for (const file of wanted) {
    const text = declarations.get(file)
    if (text === undefined) throw new Error(`There are no declarations for ${relative(root, file)}.`)
    const published = text.replace(/((?:from|import\()\s*)(['"])(\.[^'"]*)\2/g, (_, before: string, quote: string, specifier: string) => {
      const target = resolve(dirname(file), specifier)
      const found = [`${target}.d.ts`, join(target, 'index.d.ts')].find((candidate) => declarations.has(candidate))
      if (!found) throw new Error(`${relative(root, file)} needs the types of ${specifier}, which are not there.`)
      if (!wanted.includes(found)) wanted.push(found)
      const path = relative(dirname(file), found).replace(/\.d\.ts$/, '.js')
      return before + quote + (path.startsWith('.') ? path : `./${path}`) + quote
    })
    ts.sys.writeFile(join(folder, relative(join(root, 'src'), file)), published)
  }
}

/** Declarations of the entries and everything they import, by the file that would hold them beside its source. */
function declarationsOf(root: string, entries: readonly string[]): Map<string, string> {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: entries }, ts.sys, root)
  const program = ts.createProgram(
    entries.map((entry) => join(root, entry)),
    // Types of Node.js must not get into those for browsers.
    {
      ...options,
      types: options.types?.filter((name) => name !== 'node'),
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      stripInternal: true,
    },
  )
  const declarations = new Map<string, string>()
  const { diagnostics } = program.emit(undefined, (file, text) => declarations.set(resolve(file), text))
  if (diagnostics.length > 0) throw new Error(ts.flattenDiagnosticMessageText(diagnostics[0]!.messageText, '\n'))
  return declarations
}
