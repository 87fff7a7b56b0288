/** A WebSocket whose other end is the test. */
export class FakeSocket extends EventTarget {
  readonly closedWith: number[] = [];
  readonly sent: unknown[] = [];
  binaryType: BinaryType = 'blob';
  protocol = '';
  readyState = 0;

  constructor(readonly url: string) {
    super();
  }

  /** The other end accepts, and chooses one of the offered protocols. */
  accept(protocol = 'binary'): void {
    this.protocol = protocol;
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
  }

  send(data: unknown): void {
    this.sent.push(data);
  }

  receive(data: unknown): void {
    this.dispatchEvent(new MessageEvent('message', { data }));
  }

  /** The other end closes, or the network does. */
  drop(code: number): void {
    this.readyState = 3;
    this.dispatchEvent(new CloseEvent('close', { code }));
  }

  /** This end closes. */
  close(): void {
    this.closedWith.push(1000);
    this.drop(1000);
  }

  asWebSocket(): WebSocket {
    return this as unknown as WebSocket;
  }
}
