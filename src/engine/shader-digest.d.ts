/** Made by `cli/shaders.ts`. */
declare module 'virtual:shader-digest' {
  /** SHA-256, in hexadecimal, of the code of all shaders. */
  const digest: string
  export default digest
}
