/** What is longer, in bytes, is not what somebody presses or types. */
const LONGEST = 64;

/** Between a message and its copies, in milliseconds: the copies are to miss what the message was lost by. */
export const COPY_EVERY = 10;

/** How often a message is copied: of a line that loses one packet in ten, one message in a thousand is lost. */
const TIMES = 2;

/** So many messages are copied at most at one time; of more the oldest have likely arrived. */
const MOST = 12;

/**
 * Copies of what a person did, for a channel that neither waits nor repeats: what the ordered channel lost arrives
 * with the next copy, not when the loss has been found out. The gateway passes on whichever is first.
 */
export class Copies {
  readonly #send: (message: Uint8Array<ArrayBuffer>) => void;
  #kept: { number: number; bytes: Uint8Array; times: number }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (message: Uint8Array<ArrayBuffer>) => void) {
    this.#send = send;
  }

  /** Notes a message, the `number`th on its channel from 0; the bytes may change afterwards. */
  note(number: number, bytes: Uint8Array): void {
    if (bytes.length === 0 || bytes.length > LONGEST) return;
    if (this.#kept.length === MOST) this.#kept.shift();
    this.#kept.push({ number, bytes: bytes.slice(), times: 0 });
    this.#timer ??= setTimeout(this.#copy, COPY_EVERY);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#kept = [];
  }

  readonly #copy = (): void => {
    const message = new Uint8Array(this.#kept.reduce((size, { bytes }) => size + 6 + bytes.length, 0));
    const head = new DataView(message.buffer);
    let at = 0;
    for (const kept of this.#kept) {
      head.setUint32(at, kept.number);
      head.setUint16(at + 4, kept.bytes.length);
      message.set(kept.bytes, at + 6);
      at += 6 + kept.bytes.length;
      kept.times++;
    }
    this.#kept = this.#kept.filter(({ times }) => times < TIMES);
    this.#timer = this.#kept.length > 0 ? setTimeout(this.#copy, COPY_EVERY) : undefined;
    this.#send(message);
  };
}
