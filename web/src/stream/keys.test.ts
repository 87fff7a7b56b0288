import { describe, expect, it } from 'vitest';
import { FUNCTION_KEYS, keysymOf, textDifference } from './keys';

describe('keysymOf', () => {
  it.each([
    ['a', 0x61],
    ['~', 0x7e],
    ['ä', 0xe4],
    ['\n', 0xff0d],
    ['\t', 0xff09],
    ['€', 0x010020ac],
    ['漢', 0x01006f22],
    ['🙂', 0x0101f642],
  ])('%j', (character, keysym) => {
    expect(keysymOf(character)).toBe(keysym);
  });
});

it('has twelve function keys', () => {
  expect(FUNCTION_KEYS.map((key) => key.label)).toEqual([
    'F1',
    'F2',
    'F3',
    'F4',
    'F5',
    'F6',
    'F7',
    'F8',
    'F9',
    'F10',
    'F11',
    'F12',
  ]);
  expect(FUNCTION_KEYS[11]?.keysym).toBe(0xffc9);
});

describe('textDifference', () => {
  it.each([
    ['___', '___l', 0, ['l']],
    ['___l', '___ls', 0, ['s']],
    ['___helo', '___hello', 1, ['l', 'o']],
    ['___teh', '___the ', 2, ['h', 'e', ' ']],
    ['____', '___', 1, []],
    ['___', '___🙂', 0, ['🙂']],
  ])('from %j to %j', (before, after, erase, insert) => {
    expect(textDifference(before, after)).toEqual({ erase, insert });
  });
});
