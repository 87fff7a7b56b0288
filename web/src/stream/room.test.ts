import { beforeEach, describe, expect, it, vi } from 'vitest';
import { POINTER_EVERY, PointerPace } from './pointer';
import { colorsOf, personOf, RoomClient } from './room';
import { parseMessage } from './room-message';
import type { Permission } from './ticket';

const ALL = new Set<Permission>(['view', 'control']);
const LOOK = new Set<Permission>(['view']);

let room: RoomClient;
let sent: unknown[];

const tell = (message: unknown) => room.receive(JSON.stringify(message));
const listed = (viewer: string, name: string, more = {}) => ({
  viewer,
  name,
  you: false,
  permissions: ['view', 'control'],
  since: '2026-11-23T10:00:00Z',
  guest: false,
  ...more,
});

beforeEach(() => {
  sent = [];
  room = new RoomClient();
  room.enter((text) => sent.push(JSON.parse(text)));
});

describe('the room', () => {
  it('knows who is here and who has control', () => {
    tell({ type: 'welcome', viewer: 'vwr_1', name: 'Ada', permissions: ['view'] });
    tell({
      type: 'viewers',
      items: [listed('vwr_1', 'Ada', { you: true }), listed('vwr_2', '', { guest: true })],
      total: 2,
    });
    tell({
      type: 'control',
      holder: 'vwr_2',
      requests: [{ viewer: 'vwr_1', until: '2026-11-23T10:01:00Z' }],
      idle: true,
    });
    const state = room.state.get();
    expect(state).toMatchObject({ present: true, me: 'vwr_1', total: 2, idle: true, requests: ['vwr_1'] });
    expect(personOf(state, state.holder)).toMatchObject({ label: 'Somebody', guest: true });
  });

  it('says what it asks for', () => {
    room.request();
    room.release();
    room.give('vwr_2');
    room.deny('vwr_3');
    room.take();
    room.reset();
    expect(sent).toEqual([
      { type: 'control.request' },
      { type: 'control.release' },
      { type: 'control.give', to: 'vwr_2' },
      { type: 'control.deny', to: 'vwr_3' },
      { type: 'control.take' },
      { type: 'control.reset' },
    ]);
  });

  it('keeps cursors of those who are here, until they go', () => {
    tell({ type: 'cursor', viewer: 'vwr_2', x: 1, y: 2 });
    tell({ type: 'cursor', viewer: 'vwr_3', x: 3, y: 4 });
    tell({ type: 'cursor', viewer: 'vwr_2', x: 5, y: 6 });
    expect(room.cursors.get().get('vwr_2')).toEqual({ x: 5, y: 6 });
    tell({ type: 'cursor', viewer: 'vwr_2', gone: true });
    expect([...room.cursors.get().keys()]).toEqual(['vwr_3']);
    tell({ type: 'viewers', items: [listed('vwr_1', 'Ada')] });
    expect(room.cursors.get().size).toBe(0);
  });

  it('hears refusals, each of them, until something else is asked for', () => {
    tell({ type: 'refused', request: 'control.take', code: 'forbidden', detail: 'No.' });
    const first = room.refused.get();
    tell({ type: 'refused', request: 'control.take', code: 'forbidden', detail: 'No.' });
    expect(room.refused.get()).not.toEqual(first);
    room.request();
    expect(room.refused.get()).toBeNull();
  });

  it('forgets everything with its connection', () => {
    tell({ type: 'welcome', viewer: 'vwr_1' });
    tell({ type: 'cursor', viewer: 'vwr_2', x: 1, y: 2 });
    room.leave();
    expect(room.state.get().present).toBe(false);
    expect(room.cursors.get().size).toBe(0);
    room.request();
    expect(sent).toEqual([]);
  });
});

describe('input', () => {
  it.each([
    ['without a room', null, 0, ALL, 'full', true],
    ['without a room, looking', null, 0, LOOK, 'none', true],
    ['alone', null, 1, ALL, 'full', true],
    ['alone, looking', null, 1, LOOK, 'none', true],
    ['while control is free', null, 2, ALL, 'full', false],
    ['with control', 'vwr_1', 2, ALL, 'full', true],
    ['while another has control', 'vwr_2', 2, ALL, 'pointer', false],
    ['looking on', 'vwr_2', 3, LOOK, 'pointer', false],
  ] as const)('%s', (_, holder, total, permissions, mode, resize) => {
    if (total > 0) {
      tell({ type: 'welcome', viewer: 'vwr_1' });
      tell({ type: 'viewers', items: [listed('vwr_1', 'Ada')], total });
      tell({ type: 'control', holder, requests: [], idle: false });
    }
    expect(room.inputMode(permissions)).toBe(mode);
    expect(room.mayResize()).toBe(resize);
  });

  it('tells the position at a bounded rate, and always the last', () => {
    vi.useFakeTimers();
    const positions: number[] = [];
    const pace = new PointerPace((x) => positions.push(x));
    for (let x = 1; x <= 9; x++) pace.move(x, 0);
    expect(positions).toEqual([1]);
    vi.advanceTimersByTime(POINTER_EVERY);
    expect(positions).toEqual([1, 9]);
    vi.advanceTimersByTime(POINTER_EVERY);
    expect(positions).toEqual([1, 9]);
    pace.move(10, 0);
    pace.move(11, 0);
    pace.stop();
    vi.advanceTimersByTime(POINTER_EVERY * 3);
    expect(positions).toEqual([1, 9, 10]);
    vi.useRealTimers();
  });
});

describe('messages', () => {
  it.each([
    '',
    'null',
    '[]',
    '7',
    '{',
    '{"type":"later"}',
    '{"type":"cursor","x":1,"y":2}',
    '{"type":"viewers"}',
  ])('ignores %j', (text) => expect(parseMessage(text)).toBeNull());

  it('takes what is missing for unknown', () => {
    expect(parseMessage('{"type":"status","mode":"later","quality":3,"roundTripMs":"x"}')).toEqual({
      type: 'status',
      status: {
        mode: 'relay',
        roundTripMs: null,
        frameAgeMs: null,
        clickToPixelMs: null,
        quality: null,
        bytesPerSecond: null,
        framesPerSecond: null,
        dropped: 0,
        encodeMs: null,
        queueMs: null,
        bitrate: null,
      },
    });
    expect(parseMessage('{"type":"control"}')).toEqual({
      type: 'control',
      holder: null,
      requests: [],
      idle: false,
    });
    expect(parseMessage('{"type":"viewers","items":[1,{"name":"x"},{"viewer":"vwr_1"}]}')).toMatchObject({
      items: [{ viewer: 'vwr_1', name: '', permissions: [], guest: false }],
      total: 1,
    });
  });
});

it('gives people different colours, and the same to all who see them', () => {
  const people = ['vwr_a', 'vwr_b', 'vwr_c', 'vwr_d', 'vwr_e', 'vwr_f', 'vwr_g', 'vwr_h'].map((viewer) => ({
    ...listed(viewer, viewer),
    permissions: ['view'] as Permission[],
    label: viewer,
  }));
  const colors = colorsOf(people);
  expect(new Set(colors.values()).size).toBe(people.length);
  expect(colorsOf(people.slice(0, 3)).get('vwr_c')).toBe(colors.get('vwr_c'));
});
