import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'

test('what prints without end ends quietly when its reader goes', async () => {
  const program = `import { endWithReader } from './closed-pipe.ts'
    endWithReader()
    setInterval(() => console.log('A line.'), 1)`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], { cwd: import.meta.dirname })
  let errors = ''
  child.stderr.on('data', (text) => {
    errors += text
  })
  await once(child.stdout, 'data')
  child.stdout.destroy()
  expect(await once(child, 'close')).toEqual([0, null])
  expect(errors).toBe('')
})
