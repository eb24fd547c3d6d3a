import { messageSW, Workbox } from 'workbox-window'

/** What a reload would bring: a newer build of the page, or the threads that only a cross-origin isolated page has. */
export type Offer = 'update' | 'threads'

/** Milliseconds between two looks for a newer build. */
const lookEvery = 3_600_000

/**
 * The page's side of its service worker (`src/offline`): has the page stored, looks for newer builds, and never reloads by itself. Where there are no
 * service workers nothing of this happens.
 */
export class OfflineShell {
  /** Whether all that the page is made of is stored, models aside. */
  isStored = false
  offer: Offer | null = null
  readonly #onChange: () => void
  #hasStarted = false

  /** @param onChange called after every change of the above. */
  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** Has the page stored and looks for a newer build, now and from time to time. Only the first call does anything. */
  async start(): Promise<void> {
    if (this.#hasStarted || !('serviceWorker' in navigator) || import.meta.env.DEV) return
    this.#hasStarted = true
    try {
      await this.#start()
    } catch {
      // A browser that refuses, as private windows may: the page works as before, and says that it is not available offline.
    }
  }

  /** Takes the offer. What the page shows is replaced. */
  async reload(): Promise<void> {
    const registration = await navigator.serviceWorker.getRegistration()
    if (registration?.waiting) {
      const hasTakenOver = new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }))
      registration.waiting.postMessage({ type: 'SKIP_WAITING' })
      await hasTakenOver
    }
    location.reload()
  }

  decline(): void {
    this.#offer(null)
  }

  async #start(): Promise<void> {
    let isControlled = navigator.serviceWorker.controller !== null
    navigator.serviceWorker.addEventListener('controllerchange', () => {
      // Another tab has accepted a newer build, or the first service worker of all has begun.
      if (isControlled) this.#offer('update')
      else if (!crossOriginIsolated && window === window.top) this.#offer('threads')
      isControlled = true
    })
    const workbox = new Workbox('service-worker.js', { updateViaCache: 'none' })
    workbox.addEventListener('waiting', async () => {
      // The first of all waits too, for a moment.
      const registration = await navigator.serviceWorker.getRegistration()
      if (registration?.active) this.#offer('update')
    })
    await workbox.register()
    const look = () => void workbox.update().catch(() => undefined)
    setInterval(look, lookEvery)
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') look()
    })
    const { active } = await navigator.serviceWorker.ready
    if (active) this.isStored = await messageSW(active, { type: 'PAGE_STARTED' })
    this.#onChange()
  }

  #offer(offer: Offer | null): void {
    this.offer = offer
    this.#onChange()
  }
}
