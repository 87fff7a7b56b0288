/** The shortest time between two positions that are sent for the sake of others, in milliseconds: 20 a second. */
export const POINTER_EVERY = 50;

/** Passes positions on at a bounded rate: the first at once, and always the last. */
export class PointerPace {
  readonly #send: (x: number, y: number) => void;
  #waiting: { x: number; y: number } | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (x: number, y: number) => void) {
    this.#send = send;
  }

  move(x: number, y: number): void {
    if (this.#timer !== undefined) {
      this.#waiting = { x, y };
      return;
    }
    this.#send(x, y);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const { x: lastX, y: lastY } = this.#waiting ?? { x, y };
      const moved = this.#waiting !== null;
      this.#waiting = null;
      if (moved) this.move(lastX, lastY);
    }, POINTER_EVERY);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = null;
  }
}
