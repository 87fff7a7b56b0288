import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { BINARY, freePort, Product, until } from './product';

const START_TIMEOUT = 60_000;

/** One gateway of a fleet, at an address of its own. */
class Gateway {
  readonly port: number;
  readonly child: ChildProcess;
  output = '';

  constructor(port: number, flags: readonly string[]) {
    this.port = port;
    this.child = spawn(BINARY, ['gateway', '--listen', `127.0.0.1:${port}`, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    }
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((done) => this.child.once('exit', done));
    this.child.kill(signal);
    await gone;
  }
}

/** A control plane, a Redis and some gateways, each a process of its own. */
export class Fleet {
  readonly plane: Product;
  gateways: Gateway[] = [];
  #redis: ChildProcess | null = null;

  private constructor(plane: Product) {
    this.plane = plane;
  }

  static async start(password: string, gateways: number): Promise<Fleet> {
    const redisPort = await freePort();
    const url = `redis://127.0.0.1:${redisPort}`;
    const plane = new Product({ password, role: 'controlplane', flags: ['--redis-url', url] });
    const fleet = new Fleet(plane);
    try {
      fleet.#redis = spawn(
        'redis-server',
        ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', plane.folder],
        { stdio: 'ignore' },
      );
      await until(
        START_TIMEOUT,
        () => 'Redis answers',
        () => answers(redisPort),
      );
      await plane.start();
      const keys = join(plane.folder, 'ticket-keys.pem');
      writeFileSync(keys, execFileSync(BINARY, ['ticket-keys', '--data-dir', plane.dataDir]));
      for (let i = 0; i < gateways; i++) {
        const port = await freePort();
        fleet.gateways.push(
          new Gateway(port, [
            ...['--redis-url', url, '--ticket-public-keys', keys, '--link-listen', '127.0.0.1:0'],
            ...['--gateway-url', `http://127.0.0.1:${port}`, '--external-url', plane.url],
          ]),
        );
      }
      for (const one of fleet.gateways) {
        await until(
          START_TIMEOUT,
          () => `a gateway is ready\n${one.output}`,
          async () => (await fetch(`http://127.0.0.1:${one.port}/readyz`).catch(() => null))?.ok === true,
        );
      }
      return fleet;
    } catch (error) {
      await fleet.dispose();
      throw error;
    }
  }

  /** The gateway that an address leads to. */
  at(address: string): Gateway {
    const port = Number(new URL(address).port);
    const found = this.gateways.find((one) => one.port === port);
    if (!found) throw new Error(`no gateway has port ${port}`);
    return found;
  }

  async dispose(): Promise<void> {
    for (const one of this.gateways) await one.end('SIGTERM');
    try {
      await this.plane.dispose();
    } finally {
      this.#redis?.kill('SIGTERM');
    }
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}
