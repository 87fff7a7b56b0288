import { describe, expect, it } from 'vitest';
import { parseCommand, VERSION } from './protocol';

const message = (fields: object) => ({ streamspace: VERSION, ...fields });

describe('commands of the page around', () => {
  it('are read', () => {
    expect(parseCommand(message({ type: 'focus', more: 1 }))).toEqual({ type: 'focus' });
    expect(parseCommand(message({ type: 'quality', value: 3.4 }))).toEqual({ type: 'quality', value: 3 });
    expect(parseCommand(message({ type: 'scale', value: 'fit' }))).toEqual({ type: 'scale', value: 'fit' });
    expect(parseCommand(message({ type: 'clipboard', text: 'x' }))).toEqual({ type: 'clipboard', text: 'x' });
    expect(parseCommand(message({ type: 'keys', keys: [{ keysym: 0xff0d, down: true }] }))).toEqual({
      type: 'keys',
      keys: [{ keysym: 0xff0d, down: true }],
    });
  });

  it.each([
    null,
    'focus',
    { type: 'focus' },
    { streamspace: 2, type: 'focus' },
    message({ type: 'unknown' }),
    message({ type: 'quality', value: 10 }),
    message({ type: 'quality', value: '3' }),
    message({ type: 'scale', value: 'huge' }),
    message({ type: 'clipboard', text: 'x'.repeat(300_000) }),
    message({ type: 'keys', keys: [{ keysym: 'a' }] }),
    message({ type: 'keys', keys: Array.from({ length: 65 }, () => ({ keysym: 97 })) }),
  ])('are not believed: %j', (data) => expect(parseCommand(data)).toBeNull());
});
