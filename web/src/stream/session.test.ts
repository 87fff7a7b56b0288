import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeSocket } from '../testing/socket';
import {
  ATTEMPTS,
  DESKTOP_TIMEOUT,
  MEASURE_EVERY,
  SOCKET_TIMEOUT,
  STABLE_AFTER,
  StreamSession,
} from './session';
import type { Display, DisplayEvents, Settings } from './session';
import type { Permission } from './ticket';

const settings: Settings = { scale: 'remote', transport: 'auto', quality: 6, compression: 2 };

function ticketFor(permissions: readonly Permission[]): string {
  return `e30.${btoa(JSON.stringify({ perms: permissions }))}.x`;
}

/** A world in which the test is the API, the network and the desktop. */
class World {
  readonly sockets: FakeSocket[] = [];
  readonly displays: { calls: string[]; events: DisplayEvents }[] = [];
  readonly asked: (readonly Permission[] | null)[] = [];
  readonly target = document.createElement('div');
  permissions: readonly Permission[] = ['view', 'control', 'clipboard.in', 'clipboard.out'];
  refuse: unknown = null;

  readonly stream = new StreamSession(settings, null, {
    openTicket: (permissions) => {
      this.asked.push(permissions);
      if (this.refuse) return Promise.reject(this.refuse as Error);
      return Promise.resolve({
        url: `ws://gateway/${this.asked.length}`,
        ticket: ticketFor(this.permissions),
      });
    },
    openSocket: (url) => {
      const socket = new FakeSocket(url);
      this.sockets.push(socket);
      return socket.asWebSocket();
    },
    openDisplay: (_target, _socket, events) => {
      const calls: string[] = [];
      this.displays.push({ calls, events });
      return fakeDisplay(calls);
    },
    random: () => 1,
  });

  get state() {
    return this.stream.state.get();
  }

  socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('no socket was opened');
    return socket;
  }

  display() {
    const display = this.displays.at(-1);
    if (!display) throw new Error('no display was opened');
    return display;
  }

  async open(): Promise<void> {
    this.stream.open(this.target);
    await settle();
  }

  async connect(): Promise<void> {
    await this.open();
    this.arrive();
  }

  /** The socket opens and the desktop answers. */
  arrive(protocol = 'binary'): void {
    this.socket().accept(protocol);
    this.display().events.connect();
  }
}

function fakeDisplay(calls: string[]): Display {
  return {
    sendMark: (mark) => {
      calls.push(`mark ${mark}`);
      return true;
    },
    sendKey: (keysym, code, down) => calls.push(`key ${keysym} ${code} ${down}`),
    sendCtrlAltDel: () => calls.push('ctrl-alt-del'),
    paste: (text) => calls.push(`paste ${text}`),
    focus: () => calls.push('focus'),
    blur: () => calls.push('blur'),
    disconnect: () => calls.push('disconnect'),
    restart: () => calls.push('restart'),
    goOn: () => calls.push('go on'),
    lastPicture: () => document.createElement('canvas'),
    setVideo: (source) => calls.push(source ? 'video' : 'no video'),
    setInput: (mode) => calls.push(`input ${mode}`),
    setScale: (scale, mayResize) => calls.push(`scale ${scale}${mayResize ? '' : ' without resizing'}`),
    setQuality: (quality, compression) => calls.push(`quality ${quality} ${compression}`),
  };
}

/** Lets promises that are ready go on. */
const settle = () => vi.advanceTimersByTimeAsync(0);

let world: World;

beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
});

afterEach(() => {
  world.stream.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('connecting', () => {
  it('goes from a ticket to a picture', async () => {
    expect(world.state.phase).toBe('idle');
    world.stream.open(world.target);
    expect(world.state.phase).toBe('ticket');
    await settle();
    expect(world.state.phase).toBe('opening');
    expect(world.socket().url).toBe('ws://gateway/1');
    world.arrive();
    expect(world.state).toMatchObject({ phase: 'connected', attempt: 0, closure: null, retryAt: null });
    expect(world.display().calls).toContain('input full');
    expect(world.display().calls).toContain('scale remote');
  });

  it('shows the picture only, without the permission to control', async () => {
    world.permissions = ['view'];
    await world.connect();
    expect(world.display().calls).toContain('input none');
    world.stream.paste('secret');
    expect(world.display().calls).not.toContain('paste secret');
  });

  it('waits for a desktop that comes up, but not for ever', async () => {
    await world.open();
    world.socket().accept();
    await vi.advanceTimersByTimeAsync(DESKTOP_TIMEOUT - 1);
    expect(world.state.phase).toBe('opening');
    await vi.advanceTimersByTimeAsync(1);
    expect(world.state).toMatchObject({ phase: 'ended', closure: { name: 'desktop_start' } });
  });

  it('gives up a socket that does not open, and tries again', async () => {
    await world.open();
    await vi.advanceTimersByTimeAsync(SOCKET_TIMEOUT);
    expect(world.state).toMatchObject({ phase: 'waiting', closure: { name: 'unreachable' } });
    expect(world.socket().closedWith).toHaveLength(1);
  });

  it('opens once, however often it is asked', async () => {
    await world.open();
    await world.open();
    expect(world.sockets).toHaveLength(1);
  });
});

describe('reconnecting', () => {
  it('takes a new ticket after each break, later each time', async () => {
    await world.connect();
    world.socket().drop(4000);
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 4; attempt++) {
      expect(world.state).toMatchObject({ phase: 'waiting', attempt, closure: { name: 'desktop_gone' } });
      const wait = (world.state.retryAt ?? 0) - Date.now();
      waits.push(wait);
      await vi.advanceTimersByTimeAsync(wait);
      expect(world.state.phase).toBe('opening');
      world.socket().accept();
      world.socket().drop(4000);
    }
    expect(waits).toEqual([500, 1000, 2000, 4000]);
    expect(world.sockets.map((socket) => socket.url)).toEqual(
      [1, 2, 3, 4, 5].map((n) => `ws://gateway/${n}`),
    );
  });

  it('leaves the last picture in place until the next one', async () => {
    await world.connect();
    world.socket().drop(4000);
    expect(world.target.querySelectorAll('canvas[data-frozen]')).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(500);
    expect(world.target.querySelectorAll('canvas[data-frozen]')).toHaveLength(1);
    world.arrive();
    expect(world.target.querySelectorAll('canvas[data-frozen]')).toHaveLength(0);
  });

  it('counts anew after a connection that held', async () => {
    await world.connect();
    world.socket().drop(4000);
    await vi.advanceTimersByTimeAsync(500);
    world.arrive();
    await vi.advanceTimersByTimeAsync(STABLE_AFTER - 1);
    world.socket().drop(4000);
    expect(world.state.attempt).toBe(2);
    await vi.advanceTimersByTimeAsync(1000);
    world.arrive();
    await vi.advanceTimersByTimeAsync(STABLE_AFTER);
    world.socket().drop(4000);
    expect(world.state.attempt).toBe(1);
  });

  it('goes on saying that the server restarts while it is not reached', async () => {
    await world.open();
    world.socket().accept();
    world.socket().drop(1012);
    expect(world.state.closure).toMatchObject({ name: 'gateway_draining' });
    await vi.advanceTimersByTimeAsync(500);
    world.socket().drop(1006);
    expect(world.state.closure).toMatchObject({ name: 'gateway_draining' });
    await vi.advanceTimersByTimeAsync(1000);
    world.socket().accept();
    world.socket().drop(1006);
    expect(world.state.closure).toMatchObject({ name: 'connection_lost' });
  });

  it('leaves the decision to a person after many attempts', async () => {
    await world.open();
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      world.socket().drop(1006);
      expect(world.state.phase).toBe('waiting');
      await vi.advanceTimersByTimeAsync((world.state.retryAt ?? 0) - Date.now());
    }
    world.socket().drop(1006);
    expect(world.state).toMatchObject({ phase: 'ended', closure: { name: 'unreachable', next: 'retry' } });
    world.stream.reconnect();
    await settle();
    world.arrive();
    expect(world.state).toMatchObject({ phase: 'connected', attempt: 0 });
  });

  it.each([
    [4001, 'access_revoked'],
    [4002, 'session_stopped'],
    [4003, 'session_hibernated'],
    [4010, 'viewer_flood'],
  ])('does not try again after %i', async (code, name) => {
    await world.connect();
    world.socket().drop(code);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(world.state).toMatchObject({ phase: 'ended', retryAt: null, closure: { name } });
    expect(world.sockets).toHaveLength(1);
  });

  it('tries at once when the network is back', async () => {
    await world.connect();
    world.socket().drop(4000);
    window.dispatchEvent(new Event('online'));
    await settle();
    expect(world.state.phase).toBe('opening');
    expect(world.sockets).toHaveLength(2);
  });

  it('ignores what an abandoned connection still says', async () => {
    await world.connect();
    const [oldSocket, oldDisplay] = [world.socket(), world.display()];
    world.stream.reconnect();
    await settle();
    oldSocket.drop(4002);
    oldDisplay.events.connect();
    oldDisplay.events.disconnect();
    expect(world.state.phase).toBe('opening');
    expect(oldDisplay.calls).toContain('disconnect');
  });

  it('asks for other permissions from then on when told so', async () => {
    world.permissions = ['view'];
    await world.connect();
    world.stream.reconnect(['view', 'control']);
    await settle();
    world.arrive();
    world.socket().drop(4000);
    await vi.advanceTimersByTimeAsync(500);
    expect(world.asked).toEqual([null, ['view', 'control'], ['view', 'control']]);
  });
});

describe('going on after a break', () => {
  const word = (at: string[] = []) => JSON.stringify({ type: 'resume', token: 'a.b c', seconds: 120, at });

  async function connect(at: string[] = []): Promise<void> {
    await world.open();
    world.arrive('streamspace.v1');
    world.socket().receive(word(at));
  }

  it('keeps the picture, and comes back with the word of the gateway', async () => {
    await connect();
    const first = world.display();
    world.socket().drop(1006);
    expect(world.state).toMatchObject({ phase: 'connected', resuming: true });
    await settle();
    expect(world.socket().url).toBe('ws://gateway/1?resume=a.b%20c');
    world.socket().accept('streamspace.v1');
    await settle();
    first.events.connect();
    expect(world.state).toMatchObject({ phase: 'connected', resuming: false });
    expect(first.calls.filter((call) => /restart|go on|disconnect/.test(call))).toEqual([
      'go on',
      'restart',
      'go on',
    ]);
    expect(world.displays).toHaveLength(1);
    expect(world.target.querySelector('canvas[data-frozen]')).toBeNull();
    expect(world.asked).toHaveLength(1);
    // The word was good for once: the next break needs another, or a ticket.
    world.socket().drop(1006);
    await settle();
    await settle();
    expect(world.socket().url).toBe('ws://gateway/2');
  });

  it('asks the others first when the gateway leaves, and each in turn', async () => {
    await connect(['ws://other/1', 'ws://another/1']);
    world.socket().drop(1012);
    const asked: string[] = [];
    for (let n = 0; n < 4; n++) {
      await settle();
      asked.push(world.socket().url.replace(/[?].*/, ''));
      world.socket().drop(1006);
    }
    expect(asked).toEqual(['ws://other/1', 'ws://another/1', 'ws://gateway/1', 'ws://gateway/2']);
  });

  it('gives up after three rounds, and then all is as after any break', async () => {
    await connect();
    world.refuse = { status: 503 };
    world.socket().drop(1006);
    for (let round = 0; round < 3; round++) {
      await vi.advanceTimersByTimeAsync(round === 0 ? 0 : 600);
      world.socket().drop(1006);
    }
    await settle();
    expect(world.state).toMatchObject({
      phase: 'waiting',
      resuming: false,
      closure: { name: 'connection_lost' },
    });
    expect(world.display().calls).toContain('disconnect');
  });

  it('does not go on after somebody decided that it ends', async () => {
    await connect();
    world.socket().drop(4001);
    await settle();
    expect(world.sockets).toHaveLength(1);
    expect(world.state.phase).toBe('ended');
  });

  it('ends in the middle of it when it is closed', async () => {
    await connect();
    world.socket().drop(1006);
    await settle();
    world.stream.close();
    await settle();
    expect(world.socket().closedWith).toHaveLength(1);
    expect(world.state.phase).toBe('idle');
  });
});

describe('refusals', () => {
  it('end it when they are final', async () => {
    world.refuse = { status: 404, code: 'not_found', requestId: 'req_9' };
    await world.open();
    expect(world.state).toMatchObject({ phase: 'ended', closure: { next: 'leave', requestId: 'req_9' } });
    expect(world.sockets).toHaveLength(0);
  });

  it('are tried again when they may pass', async () => {
    world.refuse = { status: 503, code: 'unavailable' };
    await world.open();
    expect(world.state.phase).toBe('waiting');
    world.refuse = null;
    await vi.advanceTimersByTimeAsync(500);
    expect(world.state.phase).toBe('opening');
  });
});

describe('measuring', () => {
  it('times marks through the stream and counts bytes', async () => {
    await world.connect();
    expect(world.stream.stats.get().latency).toBeNull();
    const mark =
      world
        .display()
        .calls.find((call) => call.startsWith('mark '))
        ?.slice(5) ?? '';
    await vi.advanceTimersByTimeAsync(40);
    world.display().events.echo(mark);
    world.socket().receive(new ArrayBuffer(3000));
    await vi.advanceTimersByTimeAsync(MEASURE_EVERY);
    expect(world.stream.stats.get().latency).toBeCloseTo(40, 0);
    expect(world.stream.stats.get().bytesPerSecond).toBeGreaterThan(0);
  });

  it('forgets the figures with the connection', async () => {
    await world.connect();
    await vi.advanceTimersByTimeAsync(MEASURE_EVERY * 2);
    world.socket().drop(4000);
    expect(world.stream.stats.get()).toEqual({ latency: null, bytesPerSecond: 0, video: null });
  });
});

it('hands settings on at once and to later connections', async () => {
  await world.connect();
  world.stream.configure({ scale: 'native', transport: 'auto', quality: 9, compression: 0 });
  expect(world.display().calls.slice(-3)).toEqual(['input full', 'scale native', 'quality 9 0']);
  world.socket().drop(4000);
  await vi.advanceTimersByTimeAsync(500);
  expect(world.display().calls).toContain('scale native');
});

it('leaves nothing behind when it closes', async () => {
  await world.connect();
  world.stream.close();
  expect(world.state.phase).toBe('idle');
  expect(world.display().calls).toContain('disconnect');
  expect(world.socket().closedWith).toHaveLength(1);
  expect(world.target.childElementCount).toBe(0);
});

it('sends no keys while another has control, and does not ask for the size of this window', async () => {
  await world.open();
  world.socket().accept('streamspace.v1');
  const tell = (message: unknown) => world.socket().receive(JSON.stringify(message));
  tell({ type: 'welcome', viewer: 'vwr_1' });
  tell({ type: 'viewers', items: [{ viewer: 'vwr_1' }, { viewer: 'vwr_2' }] });
  tell({ type: 'control', holder: 'vwr_2', requests: [], idle: false });
  world.display().events.connect();
  const applied = () =>
    world
      .display()
      .calls.filter((call) => /^(input|scale) /.test(call))
      .slice(-2);
  expect(applied()).toEqual(['input pointer', 'scale remote without resizing']);
  tell({ type: 'control', holder: 'vwr_1', requests: [], idle: false });
  expect(applied()).toEqual(['input full', 'scale remote']);
  world.stream.room.release();
  expect(world.socket().sent).toEqual(['{"type":"control.release"}']);
  world.socket().drop(4000);
  expect(world.stream.room.state.get().present).toBe(false);
});
