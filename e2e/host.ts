import { appendFileSync, cpSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import sirv from 'sirv'

/** A plain host of static files, as one may get anywhere. */
export interface Host {
  /** Ends with a slash. */
  readonly url: string
  /** What it serves; another folder is another deployment. */
  folder: string
  /** Paths that were asked for, without their first slash. */
  readonly asked: string[]
  /** Paths that are answered with 404 as long as they are here. */
  readonly missing: Set<string>
  close(): Promise<void>
}

/**
 * @param options.headers sent with every answer
 * @param options.pages HTML by path, served beside the folder
 * @param options.mini a model folder, served in the place of the folder's own
 */
export async function hostFolder(
  folder: string,
  { headers = {}, pages = {}, mini }: { headers?: Record<string, string>; pages?: Record<string, string>; mini?: string } = {},
): Promise<Host> {
  const handlers = new Map<string, ReturnType<typeof sirv>>()
  const model = '/models/mini/'
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').slice(1)
    host.asked.push(path)
    if (host.missing.has(path)) return response.writeHead(404).end()
    const page = pages[path]
    if (page !== undefined) return response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page)
    const isOther = mini !== undefined && request.url?.startsWith(model)
    if (isOther) request.url = request.url!.slice(model.length - 1)
    const served = isOther ? mini : host.folder
    const files = handlers.get(served) ?? sirv(served, { etag: true })
    handlers.set(served, files)
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    files(request, response, () => {
      response.writeHead(404).end()
    })
  })
  await new Promise<void>((listening) => server.listen(0, 'localhost', listening))
  const host: Host = {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    folder,
    asked: [],
    missing: new Set(),
    close() {
      server.closeAllConnections()
      return new Promise((closed) => server.close(() => closed()))
    },
  }
  return host
}

/** Deploys a build of which the service worker alone is another, into `folder`: enough for the page to be offered it. */
export function deployNewerBuild(host: Host, folder: string): void {
  cpSync(host.folder, folder, { recursive: true })
  appendFileSync(join(folder, 'service-worker.js'), '\n// A newer build.\n')
  host.folder = folder
}
