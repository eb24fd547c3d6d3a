/** The page's element of that id. @throws Error when the page has no such element: a mistake in index.html. */
export function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id)
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} #${id}.`)
  return found
}

/** Shows text as text. */
export function show(target: HTMLElement, text: string): void {
  target.textContent = text
}

export function fillLanguages(select: HTMLSelectElement, languages: readonly { code: string; name: string }[]): void {
  select.replaceChildren(...languages.map(({ code, name }) => new Option(name, code)))
}
