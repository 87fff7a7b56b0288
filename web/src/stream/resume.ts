/** Close codes after which a stream can go on where it was, or at another gateway: nobody decided that it ends. */
const RESUMABLE: ReadonlySet<number> = new Set([1001, 1006, 1012, 1013]);

/** The gateway leaves by itself: another one is asked first. */
const LEAVING = 1012;

/** How long the waits between rounds are, in milliseconds; after the last round the viewer is told. */
export const RESUME_ROUNDS: readonly number[] = [0, 200, 600];

/** How long one attempt to go on may take until its socket is open, in milliseconds. */
export const RESUME_TIMEOUT = 2_000;

/**
 * What lets a viewer go on after its stream broke, without the API: the gateway's signed word and where other gateways
 * are. The gateway sends a newer one now and then.
 */
export class Resumption {
  #token = '';
  #until = 0;
  #at: readonly string[] = [];

  /** Takes a text of the gateway; returns false for those about something else. */
  hear(text: string, now: number): boolean {
    if (!text.startsWith('{"type":"resume"')) return false;
    try {
      const { token, seconds, at } = JSON.parse(text) as Record<string, unknown>;
      if (typeof token !== 'string' || typeof seconds !== 'number') return true;
      this.#token = token;
      this.#until = now + seconds * 1000;
      this.#at = Array.isArray(at) ? at.filter((url) => typeof url === 'string') : [];
    } catch {
      // Half a message would be the gateway's mistake; what was known stays.
    }
    return true;
  }

  /** The addresses to try after a stream at `url` ended with `code`, best first; none when it cannot go on. */
  addresses(url: string, code: number, now: number): string[] {
    if (this.#token === '' || now >= this.#until || !RESUMABLE.has(code)) return [];
    const here = url.replace(/\?.*$/, '');
    const others = this.#at.filter((other) => other !== here);
    const order = code === LEAVING ? [...others, here] : [here, ...others];
    return order.map((address) => `${address}?resume=${encodeURIComponent(this.#token)}`);
  }

  /** The word works once. */
  used(): void {
    this.#token = '';
  }
}

/** Whether a stream that ended with this code may go on in the same picture. */
export function mayGoOn(code: number): boolean {
  return RESUMABLE.has(code);
}
