/** A WebSocket whose other end is the test. */
export class FakeSocket extends EventTarget {
  readonly closedWith: number[] = [];

  constructor(readonly url: string) {
    super();
  }

  accept(): void {
    this.dispatchEvent(new Event('open'));
  }

  receive(data: unknown): void {
    this.dispatchEvent(new MessageEvent('message', { data }));
  }

  /** The other end closes, or the network does. */
  drop(code: number): void {
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
