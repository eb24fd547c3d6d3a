import { PrecacheController } from 'workbox-precaching'

declare const self: ServiceWorkerGlobalScope

/**
 * Keeps a build of the page, whole, and answers for it with nobody else there. It answers for what it keeps and for files of builds that are still
 * open somewhere; every other request, those for models among them, goes its way as if there were no service worker.
 *
 * A new build is stored beside the old one and waits until a page asks for it (`SKIP_WAITING`) or all are closed. Files that only older builds
 * need go when a page starts and is the only one.
 */
const shell = new PrecacheController({ plugins: [{ fetchDidSucceed: async ({ response }) => isolated(response) }] })
shell.addToCacheList(self.__WB_MANIFEST)

/** Hashed files: one that is not of this build is of another. */
const hashedFiles = new URL('assets/', self.registration.scope).href

self.addEventListener('install', (event) => event.waitUntil(shell.install(event)))

// So that a first visit, too, finds the files of its build when the server has a newer one.
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

self.addEventListener('fetch', (event) => {
  const { request } = event
  if (request.method !== 'GET' || request.headers.has('range')) return
  const url = new URL(request.url)
  url.hash = ''
  // What is asked of a page is for the page.
  if (request.mode === 'navigate') url.search = ''
  if (url.pathname.endsWith('/')) url.pathname += 'index.html'
  const cacheKey = shell.getCacheKeyForURL(url.href)
  if (cacheKey) event.respondWith(shell.strategy.handle({ event, request, params: { cacheKey } }))
  else if (url.href.startsWith(hashedFiles)) event.respondWith(fromAnotherBuild(request))
})

self.addEventListener('message', (event) => {
  if (event.data?.type === 'SKIP_WAITING') event.waitUntil(self.skipWaiting())
  else if (event.data?.type === 'PAGE_STARTED') event.waitUntil(pageStarted(event))
})

/** Answers whether all of this build is stored. */
async function pageStarted(event: ExtendableMessageEvent): Promise<void> {
  const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true })
  const { installing, waiting } = self.registration
  if (pages.length === 1 && !installing && !waiting) await shell.activate(event)
  const kept = await (await caches.open(shell.strategy.cacheName)).keys()
  const urls = new Set(kept.map(({ url }) => url))
  event.ports[0]?.postMessage([...shell.getURLsToCacheKeys().values()].every((key) => urls.has(key)))
}

async function fromAnotherBuild(request: Request): Promise<Response> {
  const kept = await (await caches.open(shell.strategy.cacheName)).match(request.url)
  return kept ?? isolated(await fetch(request))
}

/**
 * The answer with the headers of a cross-origin isolated page and its workers, for servers that do not send them: ONNX Runtime's threads need them.
 * Only the pages of this site are ever answered for, so a page that embeds the element is as its own server has it.
 */
function isolated(response: Response): Response {
  const headers = new Headers(response.headers)
  if (!headers.has('Cross-Origin-Opener-Policy')) headers.set('Cross-Origin-Opener-Policy', 'same-origin')
  if (!headers.has('Cross-Origin-Embedder-Policy')) headers.set('Cross-Origin-Embedder-Policy', 'require-corp')
  const { status, statusText } = response
  return new Response(response.body, { status, statusText, headers })
}
