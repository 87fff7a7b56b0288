import { backoff } from '../stream/backoff';
import { Store } from '../stream/store';
import type { LiveEvent } from '../api/types';
import { parseEvent } from './event';

export type LiveStatus = 'connecting' | 'live' | 'offline';

/** The server pings every 25 s, which a page cannot see; a socket that opened but says no hello is given up after this. */
const HELLO_TIMEOUT = 10_000;

/** After this many failures in a row the sign-in itself is suspected. */
const SUSPECT_AFTER = 2;

export interface LiveHandlers {
  /** One change, in order, at least once. */
  event(event: LiveEvent): void;
  /** Changes may have been missed: read everything again. */
  resync(): void;
  /** The server refuses repeatedly: is this browser still signed in? */
  suspect(): void;
}

/** The one WebSocket over which the server tells what changed. It comes back by itself and asks for what it missed. */
export class LiveEvents {
  readonly status = new Store<LiveStatus>('connecting');

  readonly #url: string;
  readonly #handlers: LiveHandlers;
  readonly #open: (url: string) => WebSocket;
  readonly #random: () => number;
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #last: number | null = null;
  #closed = true;

  constructor(
    url: string,
    handlers: LiveHandlers,
    open: (url: string) => WebSocket = (address) => new WebSocket(address),
    random: () => number = Math.random,
  ) {
    this.#url = url;
    this.#handlers = handlers;
    this.#open = open;
    this.#random = random;
  }

  start(): void {
    if (!this.#closed) return;
    this.#closed = false;
    window.addEventListener('online', this.#hurry);
    document.addEventListener('visibilitychange', this.#hurry);
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    window.removeEventListener('online', this.#hurry);
    document.removeEventListener('visibilitychange', this.#hurry);
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #connect(): void {
    const socket = this.#open(this.#last === null ? this.#url : `${this.#url}?after=${this.#last}`);
    this.#socket = socket;
    this.#timer = setTimeout(() => socket.close(), HELLO_TIMEOUT);
    socket.addEventListener('message', (message: MessageEvent<unknown>) => {
      if (this.#socket === socket) this.#receive(message.data);
    });
    socket.addEventListener('close', () => {
      if (this.#socket === socket) this.#lost();
    });
  }

  #receive(data: unknown): void {
    const event = parseEvent(data);
    if (!event) return;
    if (event.type === 'hello') {
      clearTimeout(this.#timer);
      this.#failures = 0;
      this.status.set('live');
      // Without a place to resume from, something may have changed between the first requests and this hello.
      if (this.#last === null) this.#handlers.resync();
      else return; // what was missed follows, each with its own id
    }
    // Only a resync may go back: the server's database may be another one than before.
    if (this.#last === null || event.id > this.#last || event.type === 'resync') this.#last = event.id;
    if (event.type === 'resync') this.#handlers.resync();
    else if (event.type !== 'hello') this.#handlers.event(event);
  }

  #lost(): void {
    this.#socket = null;
    clearTimeout(this.#timer);
    this.#failures++;
    this.status.set('offline');
    if (this.#failures === SUSPECT_AFTER) this.#handlers.suspect();
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.#connect(), backoff(this.#failures, this.#random));
  }

  readonly #hurry = (): void => {
    if (this.#closed || this.#socket !== null || document.visibilityState !== 'visible') return;
    clearTimeout(this.#timer);
    this.#connect();
  };
}
