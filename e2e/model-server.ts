import { readFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'

/** What was asked of a file and how much of it was sent. */
export interface Transfer {
  file: string
  /** First byte that was asked for. */
  start: number
  sent: number
}

/** A server of `mini` at another origin, with ranges and entity tags, that can be slow or cut a connection. */
export interface ModelServer {
  /** Address of the model folder. */
  url: string
  transfers: Transfer[]
  /** Bytes of this file after which its next connection breaks. */
  cut: { file: string; at: number } | null
  /** Most bytes a second. */
  speed: number
  close(): void
}

const folder = resolve(import.meta.dirname, '../public/models/mini')
const pieceBytes = 2 ** 18

export async function serveModel(): Promise<ModelServer> {
  const server = createServer(async ({ url = '', headers }, response) => {
    const file = url.slice(1)
    const bytes = await readFile(join(folder, file))
    const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0)
    const transfer: Transfer = { file, start, sent: 0 }
    model.transfers.push(transfer)
    response.writeHead(headers.range ? 206 : 200, {
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Expose-Headers': 'ETag, Content-Range',
      'Content-Length': bytes.length - start,
      ETag: `"${file}-${bytes.length}"`,
      ...(headers.range && { 'Content-Range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
    })
    const end = model.cut?.file === file ? model.cut.at : bytes.length
    while (start + transfer.sent < end && !response.destroyed) {
      const from = start + transfer.sent
      await write(response, bytes.subarray(from, Math.min(end, from + pieceBytes)))
      transfer.sent = Math.min(end, from + pieceBytes) - start
      if (Number.isFinite(model.speed)) await after((1000 * pieceBytes) / model.speed)
    }
    if (end === bytes.length) return response.end()
    model.cut = null
    // What was sent is to arrive.
    await after(3000)
    response.destroy()
  })
  await new Promise<void>((listening) => server.listen(0, 'localhost', listening))
  const model: ModelServer = {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    transfers: [],
    cut: null,
    speed: Number.POSITIVE_INFINITY,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
  return model
}

async function write(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  if (response.write(bytes)) return
  await new Promise<void>((ready) => {
    const end = () => {
      response.off('drain', end).off('close', end)
      ready()
    }
    response.on('drain', end).on('close', end)
  })
}
