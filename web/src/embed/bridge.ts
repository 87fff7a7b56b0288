import type { Scale, Settings, StreamSession, StreamState } from '../stream/session';
import { personOf } from '../stream/room';
import { parseCommand, VERSION } from './protocol';
import type { EmbedCommand, EmbedEvent, EmbedPhase } from './protocol';

/** The page around this one, as far as it may be spoken with. */
export interface Embedder {
  readonly window: Window;
  readonly origin: string;
}

/** Tells the page around this one what happens to the stream, and does what it asks. Whoever opens it must close it. */
export class EmbedBridge {
  readonly #stream: StreamSession;
  readonly #embedder: Embedder;
  readonly #configure: (change: Partial<Settings>) => void;
  readonly #ends: (() => void)[] = [];
  #told = new Map<string, string>();

  constructor(stream: StreamSession, embedder: Embedder, configure: (change: Partial<Settings>) => void) {
    this.#stream = stream;
    this.#embedder = embedder;
    this.#configure = configure;
  }

  open(hello: Extract<EmbedEvent, { type: 'ready' }>): void {
    const { state, stats, clipboard, room } = this.#stream;
    window.addEventListener('message', this.#hear);
    this.#ends.push(() => window.removeEventListener('message', this.#hear));
    this.#tell(hello);
    this.#follow(state.subscribe, () => this.#tellState(state.get()));
    this.#follow(stats.subscribe, () => this.#tell({ type: 'latency', ms: stats.get().latency }));
    this.#follow(room.state.subscribe, () => this.#tellControl());
    this.#ends.push(clipboard.subscribe(() => this.#tell({ type: 'clipboard', text: clipboard.get() })));
  }

  close(): void {
    for (const end of this.#ends.splice(0)) end();
  }

  #follow(subscribe: (listener: () => void) => () => void, tell: () => void): void {
    this.#ends.push(subscribe(tell));
    tell();
  }

  /** Says it unless it was said last. */
  #tell(event: EmbedEvent): void {
    const text = JSON.stringify(event);
    if (this.#told.get(event.type) === text && event.type !== 'clipboard') return;
    this.#told.set(event.type, text);
    this.#embedder.window.postMessage({ streamspace: VERSION, ...event }, this.#embedder.origin);
  }

  #tellState(state: StreamState): void {
    const { closure } = state;
    this.#tell({
      type: 'state',
      phase: phaseOf(state),
      title: closure?.title ?? null,
      detail: closure?.detail ?? null,
    });
    this.#tellControl();
    if (state.phase === 'ended' && closure) {
      this.#tell({ type: 'error', code: closure.name, title: closure.title, detail: closure.detail });
    }
  }

  #tellControl(): void {
    const room = this.#stream.room.state.get();
    const mine = this.#stream.state.get().phase === 'connected' && this.#stream.inputMode() === 'full';
    this.#tell({
      type: 'control',
      mine,
      holder: room.holder === room.me ? null : (personOf(room, room.holder)?.label ?? null),
      viewers: Math.max(room.total, 1),
    });
  }

  readonly #hear = (event: MessageEvent<unknown>): void => {
    if (event.source !== this.#embedder.window || event.origin !== this.#embedder.origin) return;
    const command = parseCommand(event.data);
    if (command) this.#do(command);
  };

  #do(command: EmbedCommand): void {
    const stream = this.#stream;
    switch (command.type) {
      case 'focus':
        window.focus();
        stream.focus();
        return;
      case 'quality':
        this.#configure({ quality: command.value });
        return;
      case 'scale':
        this.#configure({ scale: command.value satisfies Scale });
        return;
      case 'keys':
        if (stream.inputMode() !== 'full') return;
        for (const { keysym, code, down } of command.keys) stream.sendKey(keysym, code ?? '', down);
        return;
      case 'ctrlAltDel':
        if (stream.inputMode() === 'full') stream.sendCtrlAltDel();
        return;
      case 'clipboard':
        stream.paste(command.text);
        return;
      case 'requestControl':
        stream.room.request();
        return;
      case 'releaseControl':
        stream.room.release();
        return;
      case 'reconnect':
        stream.reconnect();
    }
  }
}

function phaseOf(state: StreamState): EmbedPhase {
  switch (state.phase) {
    case 'connected':
    case 'ended':
      return state.phase;
    case 'waiting':
      return 'reconnecting';
    default:
      return state.attempt > 0 ? 'reconnecting' : 'connecting';
  }
}
