import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type * as PlayerModule from './sound-player';
import { SoundClient } from './sound';

const players: { volume: number; taken: number[]; closed: boolean }[] = [];
const captures: {
  ended: () => void;
  packed: boolean;
  closed: boolean;
  packet: (bytes: Uint8Array) => void;
}[] = [];
let denied: Error | null = null;

function player() {
  const one = { volume: -1, taken: [] as number[], closed: false };
  players.push(one);
  return {
    take: (at: number) => one.taken.push(at),
    setVolume: (volume: number) => (one.volume = volume),
    close: () => (one.closed = true),
  };
}

vi.mock(
  './sound-player',
  () =>
    ({
      PacketPlayer: { open: player },
      TrackPlayer: { open: player },
    }) as unknown as typeof PlayerModule,
);
vi.mock('./sound-capture', () => ({
  capture: (packet: (bytes: Uint8Array) => void) => {
    if (denied) return Promise.reject(denied);
    const one = { ended: () => undefined, packed: false, closed: false, packet };
    captures.push(one);
    return Promise.resolve(
      Object.assign(one, {
        track: 'track',
        pack: () => (one.packed = true),
        close: () => (one.closed = true),
      }),
    );
  },
}));

const OFF = '{"type":"sound.state","state":"off"}';
const SILENT = '{"type":"microphone.state","state":"off"}';

describe('sound beside the stream', () => {
  let sent: string[];
  let sound: SoundClient;

  beforeEach(() => {
    players.length = captures.length = 0;
    denied = null;
    localStorage.clear();
    sent = [];
    sound = new SoundClient();
    sound.enter((text) => sent.push(text));
  });
  afterEach(() => sound.close());

  it('is absent until the gateway offers it, and muted until a person acts', () => {
    expect(sound.state.get()).toMatchObject({ speakers: 'absent', microphone: 'absent' });
    sound.unmute();
    expect(sent).toEqual([]);
    expect(sound.receive(OFF)).toBe(true);
    expect(sound.receive('{"type":"status"}')).toBe(false);
    expect(sound.state.get().speakers).toBe('off');
    expect(players).toEqual([]);
    expect(sent).toEqual([]);
  });

  it('is heard at the chosen volume, and no more once it is muted', () => {
    sound.receive(OFF);
    sound.setVolume(0.4);
    sound.unmute();
    expect(sent).toEqual(['{"type":"sound","on":true}']);
    sound.receive('{"type":"sound.state","state":"playing"}');
    sound.receive('{"type":"sound.packet","at":960,"data":"+P/+"}');
    expect(sound.state.get().speakers).toBe('playing');
    expect(players).toMatchObject([{ volume: 0.4, taken: [960] }]);
    sound.mute();
    expect(sent.at(-1)).toBe('{"type":"sound","on":false}');
    expect(players[0]?.closed).toBe(true);
    sound.receive('{"type":"sound.state","state":"playing"}'); // late
    expect(sound.state.get().speakers).toBe('off');
    expect(new SoundClient().state.get().volume).toBe(0.4);
  });

  it('goes on by itself after another connection, if it was wished for', () => {
    sound.receive(OFF);
    sound.unmute();
    sound.enter((text) => sent.push(`new ${text}`));
    expect(sound.state.get().speakers).toBe('absent');
    expect(players[0]?.closed).toBe(true);
    sound.receive(OFF);
    expect(sent.at(-1)).toBe('new {"type":"sound","on":true}');
    sound.move({ sound: null, speak: () => undefined });
    sound.receive(OFF); // of the WebRTC connection
    expect(players).toHaveLength(3);
  });

  it('says that a desktop has none', () => {
    sound.receive(OFF);
    sound.unmute();
    sound.receive('{"type":"sound.state","state":"missing"}');
    expect(sound.state.get()).toMatchObject({ speakers: 'missing', problem: 'The desktop has no sound.' });
  });

  it('lets the desktop hear a microphone that a person allows', async () => {
    sound.receive(SILENT);
    await sound.speak();
    expect(captures[0]?.packed).toBe(true);
    expect(sent).toEqual(['{"type":"microphone","on":true}']);
    captures[0]?.packet(new Uint8Array([1]));
    expect(sent).toHaveLength(1); // it does not listen yet
    sound.receive('{"type":"microphone.state","state":"on"}');
    captures[0]?.packet(new Uint8Array([0xf8, 0xff, 0xfe]));
    expect(sent.at(-1)).toBe('{"type":"microphone.packet","number":1,"data":"+P/+"}');
    captures[0]?.ended(); // taken away
    expect(sent.at(-1)).toBe('{"type":"microphone","on":false}');
    expect(captures[0]?.closed).toBe(true);
    expect(sound.state.get().microphone).toBe('off');
  });

  it('gives WebRTC the track itself', async () => {
    const tracks: unknown[] = [];
    sound.move({ sound: null, speak: (track) => tracks.push(track) });
    sound.receive(SILENT);
    await sound.speak();
    expect(captures[0]?.packed).toBe(false);
    expect(tracks).toEqual(['track']);
    sound.silence();
    expect(tracks).toEqual(['track', null]);
  });

  it('says why there is no microphone', async () => {
    sound.receive(SILENT);
    denied = new DOMException('no', 'NotAllowedError') as unknown as Error;
    await sound.speak();
    expect(sound.state.get().problem).toContain('does not give the page a microphone');
    denied = Object.assign(new Error('none'), { name: 'NotFoundError' });
    await sound.speak();
    expect(sound.state.get()).toMatchObject({ microphone: 'off', problem: 'There is no microphone.' });
    denied = null;
    await sound.speak();
    sound.receive('{"type":"microphone.state","state":"refused"}');
    expect(sound.state.get().problem).toContain('somebody else speaks');
    expect(captures[0]?.closed).toBe(true);
  });
});
