/** What a stream needs of its connection: the part of a WebSocket that is used. */
export interface StreamSocket {
  readonly protocol: string;
  readonly readyState: number;
  binaryType: BinaryType;
  send(data: string | ArrayBufferView<ArrayBuffer>): void;
  close(): void;
  addEventListener(
    type: 'open' | 'error',
    listener: (event: Event) => void,
    options?: { once: boolean },
  ): void;
  addEventListener(
    type: 'message',
    listener: (event: MessageEvent<unknown>) => void,
    options?: { once: boolean },
  ): void;
  addEventListener(type: 'close', listener: (event: CloseEvent) => void, options?: { once: boolean }): void;
}

/** Waits; the promise is kept early when the signal comes. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
  });
}

/** The socket once it is open; null, and the socket closed, when it does not open in time. */
export function opened<S extends StreamSocket>(
  open: () => S,
  timeout: number,
  signal: AbortSignal,
): Promise<S | null> {
  return new Promise((resolve) => {
    let socket: S;
    try {
      socket = open();
    } catch {
      resolve(null); // the browser refuses the address
      return;
    }
    let settled = false;
    const settle = (result: S | null) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', fail);
      if (!result) socket.close();
      resolve(result);
    };
    const fail = () => settle(null);
    const timer = setTimeout(fail, timeout);
    signal.addEventListener('abort', fail);
    socket.addEventListener('open', () => settle(socket), { once: true });
    socket.addEventListener('close', () => settle(null), { once: true });
  });
}
