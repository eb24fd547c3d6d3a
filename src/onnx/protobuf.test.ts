import { expect, test } from 'vitest'
import { Message } from './protobuf'

// The examples of https://protobuf.dev/programming-guides/encoding.
test('integers, texts and messages are written as the format says', () => {
  const hex = (message: Message) => Array.from(message.finish(), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
  expect(hex(new Message().integer(1, 150))).toBe('08 96 01')
  expect(hex(new Message().text(2, 'testing'))).toBe('12 07 74 65 73 74 69 6e 67')
  expect(hex(new Message().message(3, new Message().integer(1, 150)))).toBe('1a 03 08 96 01')
  expect(hex(new Message().integer(20, 0).integer(1, 127).integer(1, 128))).toBe('a0 01 00 08 7f 08 80 01')
  expect(hex(new Message().integer(1, 2 ** 53 - 1))).toBe('08 ff ff ff ff ff ff ff 0f')
})
