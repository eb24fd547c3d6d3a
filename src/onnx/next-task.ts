/**
 * Resolves in a new macrotask, so that messages (an abort among them) are handled first. A `MessageChannel` is not slowed down in
 * nested calls or background tabs as `setTimeout` is.
 */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(null)
  })
}
