const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

/** CRC-32 (ISO-HDLC, as in zip and gzip) of the parts one after another: finds any flipped bit where a hash would cost too much. */
export function crc32(...parts: readonly Uint8Array[]): number {
  let value = 0xffffffff
  for (const part of parts) for (const byte of part) value = table[(value ^ byte) & 255]! ^ (value >>> 8)
  return ~value >>> 0
}
