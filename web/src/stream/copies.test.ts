import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { COPY_EVERY, Copies } from './copies';

describe('copies of what a person did', () => {
  let sent: number[][];
  let copies: Copies;

  beforeEach(() => {
    vi.useFakeTimers();
    sent = [];
    copies = new Copies((message) => sent.push([...message]));
  });
  afterEach(() => vi.useRealTimers());

  it('come twice, each time after a while, as they were', () => {
    const bytes = new Uint8Array([4, 1]);
    copies.note(7, bytes);
    bytes.fill(9);
    expect(sent).toEqual([]);
    vi.advanceTimersByTime(10 * COPY_EVERY);
    const copy = [0, 0, 0, 7, 0, 2, 4, 1];
    expect(sent).toEqual([copy, copy]);
  });

  it('of several messages go together, the oldest first', () => {
    copies.note(1, new Uint8Array([1]));
    vi.advanceTimersByTime(COPY_EVERY);
    copies.note(0x01020304, new Uint8Array([2]));
    vi.advanceTimersByTime(10 * COPY_EVERY);
    expect(sent).toEqual([
      [0, 0, 0, 1, 0, 1, 1],
      [0, 0, 0, 1, 0, 1, 1, 1, 2, 3, 4, 0, 1, 2],
      [1, 2, 3, 4, 0, 1, 2],
    ]);
  });

  it('are not made of what is long or empty, and are few', () => {
    copies.note(1, new Uint8Array(65));
    copies.note(2, new Uint8Array());
    for (let n = 0; n < 100; n++) copies.note(n, new Uint8Array([n]));
    vi.advanceTimersByTime(COPY_EVERY);
    expect(sent.map((message) => message.length)).toEqual([12 * 7]);
    expect(sent[0]?.at(-1)).toBe(99);
  });

  it('end', () => {
    copies.note(1, new Uint8Array([1]));
    copies.stop();
    vi.advanceTimersByTime(10 * COPY_EVERY);
    expect(sent).toEqual([]);
  });
});
