import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The binary under test; `make build` makes it. */
export const BINARY = resolve(import.meta.dirname, '../../..', process.env.E2E_BINARY ?? 'bin/streamspace');

/** How long a start may take: initialising a private PostgreSQL on a busy machine included. */
const START_TIMEOUT = 90_000;

/** How long an orderly end may take; the server's own bound is 20 s. */
const STOP_TIMEOUT = 40_000;

export interface Options {
  /** Without one, the server prints a one-time setup link. */
  readonly password?: string;
  readonly flags?: readonly string[];
  /** What it is started as; up without one. */
  readonly role?: 'up' | 'controlplane';
}

/** The real product: a running `streamspace up` with a data folder of its own. */
export class Product {
  readonly folder = mkdtempSync(join(tmpdir(), 'streamspace-e2e-'));
  readonly dataDir = join(this.folder, 'data');
  readonly options: Options;
  port = 0;
  #child: ChildProcess | null = null;
  #output = '';

  constructor(options: Options = {}) {
    this.options = options;
    // As root, desktops and PostgreSQL run as users of their own: they must be able to pass.
    chmodSync(this.folder, 0o711);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Everything that was printed so far. */
  get output(): string {
    return this.#output;
  }

  async start(): Promise<void> {
    if (!existsSync(BINARY)) throw new Error(`${BINARY} does not exist: run make build`);
    this.port ||= await freePort();
    const flags = [
      '--listen',
      `127.0.0.1:${this.port}`,
      '--data-dir',
      this.dataDir,
      ...(this.options.flags ?? []),
    ];
    if (this.options.password !== undefined) {
      const file = join(this.folder, 'admin-password');
      writeFileSync(file, this.options.password, { mode: 0o600 });
      flags.push('--admin-password-file', file);
    }
    // Settings of the machine's own installation are not for this one.
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('STREAMSPACE_')),
    );
    const child = spawn(BINARY, [this.options.role ?? 'up', ...flags], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    }
    await until(
      START_TIMEOUT,
      () => `ready\n${this.#output}`,
      async () => {
        if (child.exitCode !== null)
          throw new Error(`streamspace ended with ${child.exitCode}:\n${this.#output}`);
        const answer = await fetch(`${this.url}/readyz`).catch(() => null);
        return answer?.ok === true;
      },
    );
  }

  /** Ends it as an administrator would, and looks for processes that stayed. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#child = null;
    const family = descendants(child.pid ?? 0);
    const gone = new Promise<void>((done) => child.once('exit', () => done()));
    child.kill('SIGTERM');
    const late = new Promise<never>((_, fail) =>
      setTimeout(
        () => fail(new Error(`streamspace did not end within ${STOP_TIMEOUT} ms:\n${this.#output}`)),
        STOP_TIMEOUT,
      ).unref(),
    );
    if (child.exitCode === null) await Promise.race([gone, late]);
    const left = () => [
      ...new Set([...family.filter((one) => startOf(one.pid) === one.start), ...users(this.dataDir)]),
    ];
    // A process that was killed may take a moment to be gone from /proc.
    await until(
      5_000,
      () =>
        `processes left behind: ${left()
          .map((one) => `${one.pid} ${one.command}`)
          .join('; ')}`,
      () => Promise.resolve(left().length === 0),
    );
  }

  /** Ends it for good, with its folder. */
  async dispose(): Promise<void> {
    try {
      await this.stop();
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  /** The one-time link that the first start printed. */
  setupLink(): string {
    const link = /https?:\/\/\S+\/setup#token=[\w.~-]+/.exec(this.#output)?.[0];
    if (!link) throw new Error(`no setup link was printed:\n${this.#output}`);
    return link;
  }

  /** Looks for a file by its name anywhere below the homes, as root or as the user who runs the tests. */
  findFile(name: string): string[] {
    const files = readdirSync(this.dataDir, { recursive: true, encoding: 'utf8' });
    return files.filter((path) => path.endsWith(`/${name}`)).map((path) => join(this.dataDir, path));
  }
}

interface Process {
  readonly pid: number;
  readonly start: string;
  readonly command: string;
}

function processes(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

/** The fields of /proc/PID/stat after the name, which may hold anything: state, ppid, … (proc(5)). */
function stat(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/** When the process started; empty when there is none, or only a dead one that waits for its parent. */
function startOf(pid: number): string {
  const fields = stat(pid);
  return fields[0] === 'Z' ? '' : (fields[19] ?? '');
}

function describeProcess(pid: number): Process {
  let command = '';
  try {
    command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    // It ended in between.
  }
  return { pid, start: startOf(pid), command };
}

function descendants(root: number): Process[] {
  const parents = new Map(processes().map((pid) => [pid, Number(stat(pid)[1])]));
  const found: number[] = [];
  let layer = [root];
  while (layer.length > 0) {
    const next = [...parents].filter(([, parent]) => layer.includes(parent)).map(([pid]) => pid);
    found.push(...next);
    layer = next;
  }
  return found.map(describeProcess);
}

/** Processes that work in the folder or were told of it, whoever their parent is now. */
function users(folder: string): Process[] {
  return processes()
    .filter((pid) => pid !== process.pid)
    .filter((pid) => {
      try {
        if (startOf(pid) === '') return false;
        return (
          readlinkSync(`/proc/${pid}/cwd`).startsWith(folder) || describeProcess(pid).command.includes(folder)
        );
      } catch {
        return false;
      }
    })
    .map(describeProcess);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/** Waits for something to hold. */
export async function until(
  timeout: number,
  what: () => string,
  holds: () => Promise<boolean>,
): Promise<void> {
  const end = Date.now() + timeout;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${timeout} ms: ${what()}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

export function randomPassword(): string {
  return randomBytes(12).toString('base64url');
}
