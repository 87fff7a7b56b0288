import { PacketPlayer, TrackPlayer } from './sound-player';
import type { Player } from './sound-player';
import { capture } from './sound-capture';
import type { Capture } from './sound-capture';
import { Store } from './store';

/** What of the desktop's sound is heard here, and what it hears of this viewer. */
export interface SoundState {
  /** Whether this viewer may hear the desktop, and the server can let it. */
  readonly speakers: 'absent' | 'off' | 'waiting' | 'playing' | 'missing';
  /** From 0 to 1. */
  readonly volume: number;
  readonly microphone: 'absent' | 'off' | 'asking' | 'on';
  /** Why something is not as it was wished for, for people; empty otherwise. */
  readonly problem: string;
}

/** A connection that carries sound itself. */
export interface SoundWay {
  readonly sound: MediaStream | null;
  /** Sends the track's sound; null: nothing. */
  speak(track: MediaStreamTrack | null): void;
}

/** What people are told. */
const PROBLEMS = {
  missing: 'The desktop has no sound.',
  player: 'This browser plays sound by WebRTC only, or over https.',
  denied: 'This browser does not give the page a microphone. Allow it beside the address, and try again.',
  none: 'There is no microphone.',
  capture: 'This browser sends a microphone by WebRTC only.',
  refused: 'The desktop does not take a microphone: somebody else speaks, or it has no sound.',
} as const;

const STORAGE = 'streamspace.volume';

/** Sound beside the stream. Nothing is heard or said until a person asks for it. */
export class SoundClient {
  readonly state: Store<SoundState>;

  #send: (text: string) => void = () => undefined;
  #way: SoundWay | null = null;
  #hears = false; // is wished for
  #player: Player | null = null;
  #capture: Capture | null = null; // the microphone is wished for
  #number = 0;

  constructor() {
    this.state = new Store<SoundState>({
      speakers: 'absent',
      volume: loadVolume(),
      microphone: 'absent',
      problem: '',
    });
  }

  /** Begins anew with a fresh connection, through which messages are sent. */
  enter(send: (text: string) => void): void {
    this.leave();
    this.#send = send;
  }

  /** The connection is gone; what was wished for is wished for still. */
  leave(): void {
    this.#send = () => undefined;
    this.#way = null;
    this.#stopPlayer();
    this.#update({ speakers: 'absent', microphone: this.#capture ? 'asking' : 'absent' });
  }

  /** From now on sound comes and goes by the connection itself; null: in messages. */
  move(way: SoundWay | null): void {
    this.#way?.speak(null);
    this.#way = way;
    this.#stopPlayer();
  }

  /** Ends everything, wishes too. */
  close(): void {
    this.#hears = false;
    this.#stopCapture();
    this.leave();
  }

  /** Takes a text of the gateway's; false for those that are not about sound. */
  receive(text: string): boolean {
    if (text.startsWith('{"type":"sound.packet"')) {
      const { at, data } = JSON.parse(text) as { at?: number; data?: string };
      if (typeof at === 'number' && typeof data === 'string') this.#player?.take(at, data);
      return true;
    }
    if (text.startsWith('{"type":"sound.state"')) this.#speakersAre(stateOf(text));
    else if (text.startsWith('{"type":"microphone.state"')) this.#microphoneIs(stateOf(text));
    else return false;
    return true;
  }

  /** Lets the desktop be heard. To be called when a person did something: browsers want that. */
  unmute(): void {
    if (this.state.get().speakers === 'absent') return;
    this.#hears = true;
    this.#ask();
  }

  mute(): void {
    this.#hears = false;
    this.#send('{"type":"sound","on":false}');
    this.#stopPlayer();
    this.#update({ speakers: 'off', problem: '' });
  }

  setVolume(volume: number): void {
    this.#player?.setVolume(volume);
    this.#update({ volume });
    saveVolume(volume);
  }

  /** Lets the desktop hear this viewer, if the person allows it. */
  async speak(): Promise<void> {
    if (this.state.get().microphone !== 'off') return;
    this.#update({ microphone: 'asking', problem: '' });
    try {
      this.#capture = await capture((packet) => this.#say(packet));
    } catch (error) {
      const none =
        typeof error === 'object' && error !== null && 'name' in error && error.name === 'NotFoundError';
      this.#update({ microphone: 'off', problem: none ? PROBLEMS.none : PROBLEMS.denied });
      return;
    }
    this.#capture.ended = () => this.silence();
    this.#askToSpeak();
  }

  /** Turns the microphone off. */
  silence(): void {
    if (!this.#capture && this.state.get().microphone !== 'asking') return;
    this.#send('{"type":"microphone","on":false}');
    this.#stopCapture();
    if (this.state.get().microphone !== 'absent') this.#update({ microphone: 'off' });
  }

  #speakersAre(state: string): void {
    if (state === 'off') {
      this.#update({ speakers: 'off' });
      if (this.#hears) this.#ask();
      return;
    }
    if (!this.#hears || (state !== 'waiting' && state !== 'playing' && state !== 'missing')) return;
    this.#update({ speakers: state, problem: state === 'missing' ? PROBLEMS.missing : '' });
  }

  #ask(): void {
    this.#player ??= this.#way ? TrackPlayer.open(this.#way.sound) : PacketPlayer.open();
    if (!this.#player) {
      this.#hears = false;
      this.#update({ speakers: 'off', problem: PROBLEMS.player });
      return;
    }
    this.#player.setVolume(this.state.get().volume);
    this.#update({ speakers: 'waiting', problem: '' });
    this.#send('{"type":"sound","on":true}');
  }

  #microphoneIs(state: string): void {
    if (state === 'off') {
      this.#update({ microphone: 'off' });
      if (this.#capture) this.#askToSpeak();
    } else if (state === 'on' && this.#capture) this.#update({ microphone: 'on' });
    else if (state === 'refused') {
      this.#stopCapture();
      this.#update({ microphone: 'off', problem: PROBLEMS.refused });
    }
  }

  #askToSpeak(): void {
    if (!this.#capture) return;
    if (this.#way) this.#way.speak(this.#capture.track);
    else if (!this.#capture.pack()) {
      this.#stopCapture();
      this.#update({ microphone: 'off', problem: PROBLEMS.capture });
      return;
    }
    this.#update({ microphone: 'asking' });
    this.#send('{"type":"microphone","on":true}');
  }

  /** Sends a packet, where the connection does not do so itself. */
  #say(packet: Uint8Array): void {
    if (this.#way || this.state.get().microphone !== 'on') return;
    this.#number = (this.#number + 1) % 0x10000;
    const data = btoa(String.fromCharCode(...packet));
    this.#send(JSON.stringify({ type: 'microphone.packet', number: this.#number, data }));
  }

  #stopPlayer(): void {
    this.#player?.close();
    this.#player = null;
  }

  #stopCapture(): void {
    this.#way?.speak(null);
    this.#capture?.close();
    this.#capture = null;
  }

  #update(change: Partial<SoundState>): void {
    const before = this.state.get();
    const next = { ...before, ...change };
    if (JSON.stringify(next) !== JSON.stringify(before)) this.state.set(next);
  }
}

function stateOf(text: string): string {
  const { state } = JSON.parse(text) as { state?: unknown };
  return typeof state === 'string' ? state : '';
}

function loadVolume(): number {
  try {
    const stored = Number(localStorage.getItem(STORAGE) ?? '1');
    return stored >= 0 && stored <= 1 ? stored : 1;
  } catch {
    return 1;
  }
}

function saveVolume(volume: number): void {
  try {
    localStorage.setItem(STORAGE, String(volume));
  } catch {
    // A browser that keeps nothing: the choice lasts until the page closes.
  }
}
