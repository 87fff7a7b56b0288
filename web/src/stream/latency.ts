export type LatencyQuality = 'excellent' | 'good' | 'fair' | 'poor';

/** Upper bounds in milliseconds: below 100 typing feels local, above 500 it is work. */
const BOUNDS: readonly [number, LatencyQuality][] = [
  [100, 'excellent'],
  [300, 'good'],
  [500, 'fair'],
];

export function qualityOf(milliseconds: number): LatencyQuality {
  return BOUNDS.find(([bound]) => milliseconds < bound)?.[1] ?? 'poor';
}

/** How many round trips the shown figure is the median of: about ten seconds of them. */
const SAMPLES = 5;

/**
 * Turns the round trips of marks sent through the stream into one figure. A mark travels behind everything that was
 * sent before it, and its echo is read after every picture before it was decoded and painted, so the figure is what a
 * click waits for, not only what the network takes.
 */
export class LatencyMeter {
  #pending: { mark: string; sentAt: number } | null = null;
  #samples: number[] = [];
  #count = 0;

  /** Starts a measurement; null while the last one is under way. */
  mark(now: number): string | null {
    if (this.#pending) return null;
    this.#pending = { mark: `lat${++this.#count}`, sentAt: now };
    return this.#pending.mark;
  }

  /** Ends the measurement; false if the echo is not of the mark that is under way. */
  echo(mark: string, now: number): boolean {
    if (this.#pending?.mark !== mark) return false;
    this.#samples = [...this.#samples, now - this.#pending.sentAt].slice(-SAMPLES);
    this.#pending = null;
    return true;
  }

  /** The round trip in milliseconds, or null before the first. A mark that is late counts with its age so far. */
  value(now: number): number | null {
    const sorted = [...this.#samples].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)];
    const waiting = this.#pending ? now - this.#pending.sentAt : 0;
    if (median === undefined) return waiting > 1000 ? waiting : null;
    return Math.max(median, waiting);
  }
}
