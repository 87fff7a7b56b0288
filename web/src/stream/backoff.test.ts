import { describe, expect, it } from 'vitest';
import { backoff, BACKOFF_FIRST, BACKOFF_LONGEST } from './backoff';

describe('backoff', () => {
  it('doubles up to the longest wait', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 40].map((attempt) => backoff(attempt, () => 1));
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  });

  it('leaves half of the wait to chance', () => {
    expect(backoff(1, () => 0)).toBe(BACKOFF_FIRST / 2);
    expect(backoff(20, () => 0)).toBe(BACKOFF_LONGEST / 2);
    const waits = new Set(Array.from({ length: 50 }, () => backoff(3)));
    expect(waits.size).toBeGreaterThan(10);
    for (const wait of waits) expect(wait).toBeGreaterThanOrEqual(1000);
  });
});
