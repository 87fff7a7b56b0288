import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import type { AddressInfo } from 'node:net';

/** A UDP port that nobody has. */
export async function freePacketPort(): Promise<number> {
  const socket = await bound();
  const { port } = socket.address();
  await new Promise<void>((done) => socket.close(done));
  return port;
}

/** A way for packets that a test can block, in front of the product's WebRTC port. */
export class PacketProxy {
  /** The port of the product. */
  readonly target: number;
  readonly #ways = new Map<number, Socket>(); // by the port of who is on the near side
  #near: Socket | null = null;
  /** Packets get lost, both ways. */
  blocked = false;

  constructor(target: number) {
    this.target = target;
  }

  get port(): number {
    return (this.#near?.address() as AddressInfo).port;
  }

  async start(): Promise<void> {
    const near = await bound();
    this.#near = near;
    near.on('message', (packet, from) => {
      if (this.blocked) return;
      let far = this.#ways.get(from.port);
      if (!far) {
        far = createSocket('udp4');
        far.on('error', () => undefined);
        far.on('message', (answer) => !this.blocked && near.send(answer, from.port, from.address));
        this.#ways.set(from.port, far);
      }
      far.send(packet, this.target, '127.0.0.1');
    });
  }

  stop(): void {
    for (const far of this.#ways.values()) far.close();
    this.#near?.close();
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4');
  await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
  return socket;
}
