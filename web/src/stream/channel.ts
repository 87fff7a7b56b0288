import type { StreamSocket } from './socket';

/** What our page offers: RFB in binary frames with the room's messages in text frames; or RFB alone, as noVNC's own. */
export const ROOM_PROTOCOL = 'streamspace.v1';
export const PROTOCOLS: readonly string[] = [ROOM_PROTOCOL, 'binary'];

/**
 * One WebSocket with two conversations: binary frames go to noVNC, text frames to `text`. A gateway that chose
 * `binary` sends no text, and nothing else changes.
 *
 * noVNC looks for the members of a raw channel on the object and on one level of its prototypes, so this class extends
 * nothing and nothing extends it.
 */
export class Channel {
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent<unknown>) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;

  readonly #text: (message: string) => void;
  #socket: StreamSocket;

  constructor(socket: StreamSocket, text: (message: string) => void) {
    this.#text = text;
    this.#socket = socket;
    this.#listen(socket);
  }

  /** Goes on with another socket that is open; what the one before still says is not heard. */
  replace(socket: StreamSocket): void {
    this.#socket = socket;
    this.#listen(socket);
    this.onopen?.(new Event('open'));
  }

  #listen(socket: StreamSocket): void {
    const present = () => this.#socket === socket;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', (event) => present() && this.onopen?.(event));
    socket.addEventListener('message', (event: MessageEvent<unknown>) => {
      if (!present()) return;
      if (typeof event.data !== 'string') this.onmessage?.(event);
      else if (this.hasRoom) this.#text(event.data); // what another server says in text is not for us
    });
    socket.addEventListener('error', (event) => present() && this.onerror?.(event));
  }

  /** Tells noVNC that there is no stream any more. */
  end(event: CloseEvent): void {
    this.onclose?.(event);
  }

  /** Whether the gateway speaks of the room; known once the socket is open. */
  get hasRoom(): boolean {
    return this.#socket.protocol === ROOM_PROTOCOL;
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  get readyState(): number {
    return this.#socket.readyState;
  }

  get binaryType(): BinaryType {
    return this.#socket.binaryType;
  }

  set binaryType(type: BinaryType) {
    this.#socket.binaryType = type;
  }

  send(data: ArrayBufferLike | ArrayBufferView<ArrayBuffer>): void {
    this.#socket.send(data as ArrayBufferView<ArrayBuffer>);
  }

  /** Sends a message to the room; nothing happens where there is none. */
  sendText(message: string): void {
    if (this.hasRoom && this.readyState === 1) this.#socket.send(message); // 1 is OPEN
  }

  close(): void {
    this.#socket.close();
  }
}
