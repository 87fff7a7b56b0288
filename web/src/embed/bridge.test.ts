import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { CLOSE_CODES } from '../stream/closure';
import { StreamSession } from '../stream/session';
import type { StreamState } from '../stream/session';
import { EmbedBridge } from './bridge';

const ORIGIN = 'https://app.example';

let stream: StreamSession;
let bridge: EmbedBridge;
let told: Record<string, unknown>[];
let page: Window;
const configure = vi.fn();

beforeEach(() => {
  stream = new StreamSession({ scale: 'remote', transport: 'auto', quality: 6, compression: 2 }, null, {
    openTicket: () => new Promise(() => undefined),
    openSocket: () => new EventTarget() as WebSocket,
    openDisplay: () => {
      throw new Error('nothing is opened here');
    },
    random: () => 1,
  });
  told = [];
  page = {
    postMessage: (event: Record<string, unknown>, origin: string) => {
      expect(origin).toBe(ORIGIN);
      told.push(event);
    },
  } as unknown as Window;
  bridge = new EmbedBridge(stream, { window: page, origin: ORIGIN }, configure);
  bridge.open({ type: 'ready', session: 'ses_1', name: 'Terminal', permissions: ['view'] });
});

afterEach(() => bridge.close());

const be = (change: Partial<StreamState>) => stream.state.set({ ...stream.state.get(), ...change });
const say = (data: unknown, origin = ORIGIN, source: unknown = page) =>
  window.dispatchEvent(new MessageEvent('message', { data, origin, source: source as Window }));
const last = (type: string) => told.findLast((event) => event.type === type);

it('tells how it is, each thing once', () => {
  expect(told[0]).toMatchObject({ streamspace: 1, type: 'ready', session: 'ses_1' });
  expect(last('state')).toMatchObject({ phase: 'connecting' });
  be({ phase: 'connected', permissions: new Set(['view', 'control']) });
  expect(last('state')).toMatchObject({ phase: 'connected' });
  expect(last('control')).toMatchObject({ mine: true, viewers: 1 });
  const count = told.length;
  be({ phase: 'connected' });
  expect(told).toHaveLength(count);
  stream.clipboard.set('copied');
  expect(last('clipboard')).toMatchObject({ text: 'copied' });
  stream.stats.set({ latency: 12, bytesPerSecond: 0, video: null });
  expect(last('latency')).toMatchObject({ ms: 12 });
  be({ phase: 'ended', closure: CLOSE_CODES[4001] ?? null });
  expect(last('error')).toMatchObject({ code: 'access_revoked' });
});

it('does what the page asks, and nobody else', () => {
  be({ phase: 'connected', permissions: new Set(['view', 'control']) });
  const keys = vi.spyOn(stream, 'sendKey');
  const command = { streamspace: 1, type: 'keys', keys: [{ keysym: 97 }] };
  say(command, 'https://evil.example');
  say(command, ORIGIN, window);
  expect(keys).not.toHaveBeenCalled();
  say(command);
  expect(keys).toHaveBeenCalledWith(97, '', undefined);
  say({ streamspace: 1, type: 'quality', value: 9 });
  expect(configure).toHaveBeenCalledWith({ quality: 9 });
  be({ permissions: new Set(['view']) });
  keys.mockClear();
  say(command);
  expect(keys).not.toHaveBeenCalled();
});
