/** Ends the service worker of this site and deletes its caches, which have its scope in their names; those of other sites on the same origin stay. */
export async function forgetOfflinePage(): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration(new URL('../', document.baseURI))
  if (!registration) return
  await registration.unregister()
  for (const name of await caches.keys()) if (name.endsWith(registration.scope)) await caches.delete(name)
}
