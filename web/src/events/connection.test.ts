import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeSocket } from '../testing/socket';
import { LiveEvents } from './connection';

let sockets: FakeSocket[];
let told: string[];
let live: LiveEvents;

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  told = [];
  live = new LiveEvents(
    'ws://here/events',
    {
      event: (event) => told.push(`${event.type} ${event.id}`),
      resync: () => told.push('resync'),
      suspect: () => told.push('suspect'),
    },
    (url) => {
      const socket = new FakeSocket(url);
      sockets.push(socket);
      return socket.asWebSocket();
    },
    () => 1,
  );
  live.start();
});

afterEach(() => {
  live.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const latest = () => {
  const socket = sockets.at(-1);
  if (!socket) throw new Error('no socket');
  return socket;
};
const say = (type: string, id: number) =>
  latest().receive(JSON.stringify({ id, type, at: '2026-11-23T10:00:00Z' }));

describe('live events', () => {
  it('is live from the first hello on, and reads what may have changed before it', () => {
    expect(live.status.get()).toBe('connecting');
    say('hello', 40);
    expect(live.status.get()).toBe('live');
    say('session.updated', 41);
    expect(told).toEqual(['resync', 'session.updated 41']);
  });

  it('goes on after the last event it saw, not after the hello of the new connection', () => {
    say('hello', 40);
    say('session.updated', 41);
    latest().drop(1006);
    expect(live.status.get()).toBe('offline');
    vi.advanceTimersByTime(500);
    expect(latest().url).toBe('ws://here/events?after=41');
    say('hello', 44);
    say('session.updated', 42);
    latest().drop(1006);
    vi.advanceTimersByTime(500);
    expect(latest().url).toBe('ws://here/events?after=42');
    expect(told).toEqual(['resync', 'session.updated 41', 'session.updated 42']);
  });

  it('reads everything again when events were lost', () => {
    say('hello', 1);
    say('resync', 90);
    latest().drop(1006);
    vi.advanceTimersByTime(500);
    expect(latest().url).toBe('ws://here/events?after=90');
    expect(told).toEqual(['resync', 'resync']);
  });

  it('starts over where the server lost its past', () => {
    say('hello', 900);
    say('resync', 3);
    latest().drop(1006);
    vi.advanceTimersByTime(500);
    expect(latest().url).toBe('ws://here/events?after=3');
  });

  it('waits longer after each failure and asks once whether the sign-in still holds', () => {
    const opened: number[] = [];
    for (const wait of [500, 1000, 2000, 4000]) {
      latest().drop(1006);
      vi.advanceTimersByTime(wait - 1);
      opened.push(sockets.length);
      vi.advanceTimersByTime(1);
    }
    expect(opened).toEqual([1, 2, 3, 4]);
    expect(told).toEqual(['suspect']);
  });

  it('gives up a server that accepts and then says nothing', () => {
    latest().accept();
    vi.advanceTimersByTime(10_000);
    expect(latest().closedWith).toHaveLength(1);
    expect(live.status.get()).toBe('offline');
  });

  it('survives frames that are none', () => {
    for (const frame of ['', '{', '[]', 'null', '{"type":1}', '{"type":"x"}', new ArrayBuffer(2)])
      latest().receive(frame);
    expect(told).toEqual([]);
  });
});
