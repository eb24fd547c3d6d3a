/** As much of markdown-it as the documentation uses; the library has no types of its own. */
declare module 'markdown-it' {
  interface Token {
    content: string
    attrSet(name: string, value: string): void
  }
  interface Renderer {
    rules: Record<string, (tokens: Token[], index: number, options: object, environment: object, renderer: Renderer) => string>
    renderToken(tokens: Token[], index: number, options: object): string
  }
  export default class MarkdownIt {
    /** @param options `html`: whether tags in the text are kept as they are; by default they are shown as text */
    constructor(options?: { html?: boolean })
    readonly renderer: Renderer
    render(text: string): string
  }
}
