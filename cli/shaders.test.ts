import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { shaderCode, shaderDigest } from './shaders'

const folder = join(import.meta.dirname, '../shaders')
const sources = Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]))

test('the code of a shader is the shader without remarks, indentation and empty lines', () => {
  expect(shaderCode('// y = x / 2\n\nfn half(x: f32) -> f32 {\n  // A remark.\n  return x / 2.0;  // half\n}\n')).toBe(
    'fn half(x: f32) -> f32 {\nreturn x / 2.0;\n}\n',
  )
  for (const source of Object.values(sources)) {
    const words = source
      .replace(/\/\/.*/g, '')
      .split(/\s+/)
      .filter(Boolean)
    expect(shaderCode(source).split(/\s+/).filter(Boolean)).toEqual(words)
  }
})

test('the digest follows the code and the name of every shader, and no remark', () => {
  const digest = shaderDigest(sources)
  expect(digest).toMatch(/^[0-9a-f]{64}$/)
  expect(shaderDigest(Object.fromEntries(Object.entries(sources).reverse()))).toBe(digest)
  for (const [name, source] of Object.entries(sources)) {
    expect(shaderDigest({ ...sources, [name]: `// Another remark.\n${source}` })).toBe(digest)
    expect(shaderDigest({ ...sources, [name]: `${source}const ANOTHER = 1u;\n` })).not.toBe(digest)
    const { [name]: renamed, ...others } = sources
    expect(shaderDigest({ ...others, [`${name}x`]: renamed! })).not.toBe(digest)
  }
})
