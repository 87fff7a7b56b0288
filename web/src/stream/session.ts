import { backoff } from './backoff';
import { Channel } from './channel';
import { CLOSE_CODES, explainClose, explainRefusal, LOST, UNREACHABLE } from './closure';
import type { Closure, Refusal } from './closure';
import { LatencyMeter } from './latency';
import { RoomClient } from './room';
import { mayGoOn, RESUME_ROUNDS, RESUME_TIMEOUT, Resumption } from './resume';
import type { InputMode } from './room';
import { opened, pause } from './socket';
import type { StreamSocket } from './socket';
import { Store } from './store';
import { SoundClient } from './sound';
import type { SoundWay } from './sound';
import { permissionsOf } from './ticket';
import type { Permission, Ticket } from './ticket';
import { WEBRTC_STABLE, WEBRTC_TIMEOUT, webrtcOffer } from './webrtc';
import type { VideoSource } from './webrtc';
import type { VideoFigures } from './video-meter';

/** The most automatic attempts in a row, about two minutes of them; then a person decides. */
export const ATTEMPTS = 12;

/** A connection that lived this long, in milliseconds, was a good one: counting starts anew after it. */
export const STABLE_AFTER = 10_000;

/** How long a socket may take to open, in milliseconds. */
export const SOCKET_TIMEOUT = 15_000;

/** How long an open socket may wait for its desktop: the gateway's own bound is 60 s. */
export const DESKTOP_TIMEOUT = 75_000;

/** How often the round trip is measured, in milliseconds. */
export const MEASURE_EVERY = 2_000;

export type Scale = 'remote' | 'fit' | 'native';

/** By which way the pixels come: `auto` and `webrtc` try WebRTC, the one once, the other after each failure. */
export type Transport = 'auto' | 'webrtc' | 'websocket';

export interface Settings {
  readonly scale: Scale;
  readonly transport: Transport;
  /** JPEG quality of pictures, 0 to 9. */
  readonly quality: number;
  /** Effort put into compression, 0 to 9. */
  readonly compression: number;
}

/** What a StreamSession needs of a VNC viewer. */
export interface Display {
  sendMark(mark: string): boolean;
  sendKey(keysym: number, code: string, down?: boolean): void;
  sendCtrlAltDel(): void;
  paste(text: string): void;
  focus(): void;
  blur(): void;
  disconnect(): void;
  /** The stream begins again on the same picture; what is typed is kept until goOn. */
  restart(): void;
  goOn(): void;
  lastPicture(): HTMLCanvasElement | null;
  /** The pixels come as video from now on; null: on the stream. */
  setVideo(source: VideoSource | null): void;
  setInput(mode: InputMode): void;
  /** `mayResize` says whether the desktop may take the size of this window. */
  setScale(scale: Scale, mayResize: boolean): void;
  setQuality(quality: number, compression: number): void;
}

export interface DisplayEvents {
  connect(): void;
  disconnect(): void;
  name(name: string): void;
  clipboard(text: string): void;
  echo(mark: string): void;
}

/** What the outside world provides; the tests provide their own. */
export interface Surroundings {
  /** Asks the API for a ticket with these permissions, or with what is usual. Throws a Refusal. */
  openTicket(permissions: readonly Permission[] | null, signal: AbortSignal): Promise<Ticket>;
  openSocket(url: string): WebSocket;
  /** The same by WebRTC; `url` is that of the WebSocket. */
  openPeer?(url: string, relays: RTCIceServer[]): Peer;
  openDisplay(target: HTMLElement, channel: Channel, events: DisplayEvents): Display;
  random(): number;
}

/** A connection by WebRTC. */
export interface Peer extends StreamSocket, VideoSource, SoundWay {
  readonly failure: string;
  readonly figures: VideoFigures | null;
}

export type Phase =
  | 'idle' // not opened, or closed by us
  | 'ticket' // asking the API to be let in
  | 'opening' // connecting, or waiting for the desktop to come up
  | 'connected'
  | 'waiting' // the connection broke; trying again at retryAt
  | 'ended'; // over until a person decides: closure says why

export interface StreamState {
  readonly phase: Phase;
  /** Attempts since the last good connection; 0 for the first. */
  readonly attempt: number;
  /** When the next attempt starts, in milliseconds since 1970; null unless waiting. */
  readonly retryAt: number | null;
  /** Why the last connection ended; null while there is none to explain. */
  readonly closure: Closure | null;
  readonly permissions: ReadonlySet<Permission>;
  /** The desktop's own name for itself. */
  readonly name: string;
  /** Connected, but the stream broke and is about to go on. */
  readonly resuming: boolean;
  readonly transport: 'websocket' | 'webrtc';
  /** Why it is not WebRTC, for people, when that was tried; empty otherwise. */
  readonly transportNote: string;
}

export interface StreamStats {
  /** Round trip through stream and desktop in milliseconds; null before it is known. */
  readonly latency: number | null;
  readonly bytesPerSecond: number;
  /** By WebRTC. */
  readonly video: VideoFigures | null;
}

const NO_STATS: StreamStats = { latency: null, bytesPerSecond: 0, video: null };

interface Attempt {
  readonly abort: AbortController;
  readonly resumption: Resumption;
  url: string;
  socket: StreamSocket | null;
  /** The gateway said that there is WebRTC, by these relays if by no other way; null when it did not. */
  offered: RTCIceServer[] | null;
  /** Moving to WebRTC, or there. */
  peer: Peer | null;
  peerSince: number;
  /** It was tried and is not tried again by itself. */
  gaveUp: boolean;
  channel: Channel | null;
  display: Display | null;
  opened: boolean;
  connectedAt: number;
  bytes: number;
  timer: ReturnType<typeof setTimeout> | undefined;
  meter: LatencyMeter;
}

/**
 * One desktop shown in one element: it gets tickets, connects, measures, and connects again when the connection
 * breaks. It knows nothing of React. Whoever opens it must close it.
 */
export class StreamSession {
  readonly state = new Store<StreamState>({
    phase: 'idle',
    attempt: 0,
    retryAt: null,
    closure: null,
    permissions: new Set(),
    name: '',
    resuming: false,
    transport: 'websocket',
    transportNote: '',
  });
  readonly stats = new Store<StreamStats>(NO_STATS);
  /** The text that was last copied inside the desktop. */
  readonly clipboard = new Store<string>('');
  /** Who else is here, and who has control. */
  readonly room = new RoomClient();
  /** What is heard of the desktop, and what it hears. */
  readonly sound = new SoundClient();

  readonly #world: Surroundings;
  #target: HTMLElement | null = null;
  #settings: Settings;
  #wanted: readonly Permission[] | null;
  #current: Attempt | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #frozen: HTMLCanvasElement | null = null;

  /** `wanted` are the permissions to ask for; null asks for what the API gives an owner. */
  constructor(settings: Settings, wanted: readonly Permission[] | null, world: Surroundings) {
    this.#settings = settings;
    this.#wanted = wanted;
    this.#world = world;
    this.room.state.subscribe(() => this.#apply());
  }

  /** Connects and stays connected; the picture appears in target. */
  open(target: HTMLElement): void {
    if (this.state.get().phase !== 'idle') return;
    this.#target = target;
    window.addEventListener('online', this.#hurry);
    window.addEventListener('pagehide', this.#leave);
    window.addEventListener('pageshow', this.#comeBack);
    document.addEventListener('visibilitychange', this.#hurry);
    this.#update({ attempt: 0, closure: null });
    void this.#begin();
  }

  /** Connects at once, whatever went before, from now on with these permissions if they are given. */
  reconnect(wanted: readonly Permission[] | null = this.#wanted): void {
    if (!this.#target) return;
    this.#wanted = wanted;
    if (this.#current) this.#freeze(this.#current);
    this.#abandon();
    this.#update({ attempt: 0 });
    void this.#begin();
  }

  /** Ends everything; the element is empty afterwards. */
  close(): void {
    window.removeEventListener('online', this.#hurry);
    window.removeEventListener('pagehide', this.#leave);
    window.removeEventListener('pageshow', this.#comeBack);
    document.removeEventListener('visibilitychange', this.#hurry);
    this.#abandon();
    this.sound.close();
    this.#thaw();
    this.#target = null;
    this.#update({ phase: 'idle', retryAt: null, closure: null });
  }

  configure(settings: Settings): void {
    const { transport } = this.#settings;
    this.#settings = settings;
    this.#apply();
    const attempt = this.#current;
    if (!attempt || transport === settings.transport) return;
    attempt.gaveUp = false;
    if (settings.transport === 'websocket') this.#leavePeer(attempt);
    else void this.#tryPeer(attempt);
  }

  allows(permission: Permission): boolean {
    return this.state.get().permissions.has(permission);
  }

  /** What of the input here reaches the gateway now. */
  inputMode(): InputMode {
    return this.room.inputMode(this.state.get().permissions);
  }

  sendKey(keysym: number, code: string, down?: boolean): void {
    this.#current?.display?.sendKey(keysym, code, down);
  }

  sendCtrlAltDel(): void {
    this.#current?.display?.sendCtrlAltDel();
  }

  /** Offers the text as the desktop's clipboard. */
  paste(text: string): void {
    if (this.allows('clipboard.in') && this.inputMode() === 'full') this.#current?.display?.paste(text);
  }

  focus(): void {
    this.#current?.display?.focus();
  }

  blur(): void {
    this.#current?.display?.blur();
  }

  async #begin(): Promise<void> {
    const attempt: Attempt = {
      abort: new AbortController(),
      resumption: new Resumption(),
      url: '',
      socket: null,
      offered: null,
      peer: null,
      peerSince: 0,
      gaveUp: false,
      channel: null,
      display: null,
      opened: false,
      connectedAt: 0,
      bytes: 0,
      timer: undefined,
      meter: new LatencyMeter(),
    };
    this.#current = attempt;
    this.#update({ phase: 'ticket', retryAt: null });
    let ticket: Ticket;
    try {
      ticket = await this.#world.openTicket(this.#wanted, attempt.abort.signal);
    } catch (refusal) {
      this.#finish(attempt, isRefusal(refusal) ? explainRefusal(refusal) : UNREACHABLE);
      return;
    }
    if (this.#current !== attempt) return;
    this.#update({ phase: 'opening', permissions: permissionsOf(ticket.ticket) });
    try {
      this.#connect(attempt, ticket.url);
    } catch {
      this.#finish(attempt, UNREACHABLE); // the browser refuses the address: mixed content, or its own policy
    }
  }

  #connect(attempt: Attempt, url: string): void {
    if (!this.#target) return;
    const socket = this.#world.openSocket(url);
    attempt.timer = setTimeout(() => this.#finish(attempt, UNREACHABLE), SOCKET_TIMEOUT);
    socket.addEventListener('open', () => {
      attempt.opened = true;
      clearTimeout(attempt.timer);
      attempt.timer = setTimeout(() => this.#finish(attempt, CLOSE_CODES[4004] ?? LOST), DESKTOP_TIMEOUT);
    });
    this.#follow(attempt, socket, url);
    const channel = new Channel(socket, (text) => {
      if (this.#current !== attempt || this.sound.receive(text)) return;
      const relays = webrtcOffer(text, attempt.url);
      if (relays) {
        attempt.offered = relays;
        void this.#tryPeer(attempt);
      } else if (!attempt.resumption.hear(text, Date.now())) this.room.receive(text);
      else void this.#tryPeer(attempt);
    });
    attempt.channel = channel;
    this.room.enter((text) => channel.sendText(text));
    this.sound.enter((text) => channel.sendText(text));
    attempt.display = this.#world.openDisplay(this.#target, channel, {
      connect: () => this.#connected(attempt),
      disconnect: () => this.#finish(attempt, LOST),
      name: (name) => this.#update({ name }),
      clipboard: (text) => this.clipboard.set(text),
      echo: (mark) => attempt.meter.echo(mark, performance.now()),
    });
    this.#apply();
  }

  /** From now on the socket is the attempt's. */
  #follow(attempt: Attempt, socket: StreamSocket, url: string): void {
    attempt.socket = socket;
    attempt.url = url;
    socket.addEventListener('message', (event: MessageEvent<unknown>) => {
      if (event.data instanceof ArrayBuffer) attempt.bytes += event.data.byteLength;
    });
    socket.addEventListener('close', (event) => {
      if (this.#current !== attempt || attempt.socket !== socket) return;
      this.#lostPeer(attempt);
      if (attempt.connectedAt > 0 && mayGoOn(event.code)) void this.#resume(attempt, event);
      else this.#drop(attempt, event);
    });
  }

  /** The stream has ended: the last picture is copied before noVNC takes it away. */
  #drop(attempt: Attempt, event: CloseEvent): void {
    this.#finish(attempt, explainClose(event.code, attempt.opened));
    attempt.channel?.end(event);
  }

  /** Goes on in the same picture: where the gateway said, else with another ticket. */
  async #resume(attempt: Attempt, event: CloseEvent): Promise<void> {
    attempt.socket = null;
    clearTimeout(attempt.timer);
    attempt.display?.restart();
    attempt.meter = new LatencyMeter();
    this.#update({ resuming: true });
    const { signal } = attempt.abort;
    for (const wait of RESUME_ROUNDS) {
      await pause(wait, signal);
      for (const url of attempt.resumption.addresses(attempt.url, event.code, Date.now())) {
        if (this.#current === attempt && (await this.#goOn(attempt, url))) return;
      }
      if (this.#current !== attempt) return;
      const ticket = await this.#world.openTicket(this.#wanted, signal).catch(() => null);
      if (this.#current !== attempt) return;
      if (ticket && (await this.#goOn(attempt, ticket.url))) {
        this.#update({ permissions: permissionsOf(ticket.ticket) });
        return;
      }
    }
    if (this.#current === attempt) this.#drop(attempt, event);
  }

  /** Whether a socket opened at the address, with which the attempt goes on. */
  async #goOn(attempt: Attempt, url: string): Promise<boolean> {
    const socket = await opened(() => this.#world.openSocket(url), RESUME_TIMEOUT, attempt.abort.signal);
    if (!socket) return false;
    if (this.#current !== attempt) {
      socket.close();
      return false;
    }
    attempt.resumption.used();
    this.#follow(attempt, socket, url);
    attempt.timer = setTimeout(() => this.#finish(attempt, CLOSE_CODES[4004] ?? LOST), DESKTOP_TIMEOUT);
    attempt.channel?.replace(socket);
    return true;
  }

  /** Goes on by WebRTC, if there is that and it is wished for. The stream goes on by WebSocket until then. */
  async #tryPeer(attempt: Attempt): Promise<void> {
    const { openPeer } = this.#world;
    const wished = this.#settings.transport !== 'websocket' && !attempt.gaveUp;
    const relays = attempt.offered;
    if (!openPeer || !wished || attempt.peer || !relays || attempt.connectedAt === 0) return;
    const [url] = attempt.resumption.addresses(attempt.url, 1006, Date.now()); // as if the stream broke
    if (url === undefined) return; // the gateway is about to say how one comes back
    attempt.resumption.used();
    const opening = openPeer(url, relays);
    attempt.peer = opening;
    const peer = await opened(() => opening, WEBRTC_TIMEOUT, attempt.abort.signal);
    if (this.#current !== attempt || attempt.peer !== opening) {
      opening.close();
      return;
    }
    if (!peer) {
      attempt.peer = null;
      attempt.gaveUp = true;
      this.#update({ transportNote: opening.failure });
      return;
    }
    clearTimeout(attempt.timer);
    attempt.peerSince = Date.now();
    attempt.meter = new LatencyMeter();
    attempt.display?.restart();
    attempt.timer = setTimeout(() => peer.close(), DESKTOP_TIMEOUT);
    this.#follow(attempt, peer, attempt.url); // the gateway ends the WebSocket when it serves this
    attempt.channel?.replace(peer);
    attempt.display?.setVideo(peer);
    this.sound.move(peer);
    this.#update({ transport: 'webrtc', transportNote: '' });
  }

  /** WebRTC ended: the stream goes on by WebSocket. */
  #lostPeer(attempt: Attempt): void {
    const { peer } = attempt;
    if (!peer || attempt.socket !== peer) return;
    attempt.peer = null;
    attempt.offered = null; // until it is said again
    attempt.gaveUp = this.#settings.transport === 'auto' && Date.now() - attempt.peerSince < WEBRTC_STABLE;
    attempt.display?.setVideo(null);
    this.sound.move(null);
    this.#update({ transport: 'websocket', transportNote: peer.failure });
  }

  /** Goes back to WebSocket, since somebody wants that. */
  #leavePeer(attempt: Attempt): void {
    const { peer } = attempt;
    if (!peer) return;
    if (attempt.socket !== peer) {
      attempt.peer = null; // on its way
      peer.close();
      return;
    }
    this.#lostPeer(attempt);
    this.#update({ transportNote: '' });
    attempt.socket = null;
    peer.close();
    void this.#resume(attempt, new CloseEvent('close', { code: 1006 }));
  }

  #connected(attempt: Attempt): void {
    if (this.#current !== attempt) return;
    clearTimeout(attempt.timer);
    attempt.connectedAt = Date.now();
    this.#thaw();
    this.#update({ phase: 'connected', closure: null, retryAt: null, resuming: false });
    this.#apply();
    attempt.display?.goOn();
    this.#measure(attempt, 0);
    void this.#tryPeer(attempt);
  }

  #measure(attempt: Attempt, bytesBefore: number): void {
    const now = performance.now();
    const video = attempt.socket === attempt.peer ? (attempt.peer?.figures ?? null) : null;
    const bytes = attempt.bytes + (video?.bytes ?? 0);
    this.stats.set({
      latency: attempt.meter.value(now),
      bytesPerSecond: Math.max(0, Math.round(((bytes - bytesBefore) * 1000) / MEASURE_EVERY)),
      video,
    });
    // A hidden page is throttled by the browser: its figures would say nothing.
    if (document.visibilityState === 'visible') {
      const mark = attempt.meter.mark(now);
      if (mark !== null && !attempt.display?.sendMark(mark)) attempt.meter = new LatencyMeter();
    }
    const soon = bytesBefore === 0 && attempt.meter.value(now) === null;
    attempt.timer = setTimeout(() => this.#measure(attempt, bytes), soon ? MEASURE_EVERY / 4 : MEASURE_EVERY);
  }

  #finish(attempt: Attempt, closure: Closure): void {
    if (this.#current !== attempt) return;
    const wasGood = attempt.connectedAt > 0 && Date.now() - attempt.connectedAt >= STABLE_AFTER;
    const count = wasGood ? 1 : this.state.get().attempt + 1;
    const before = this.state.get().closure;
    // A server that said it restarts is not reached for a while: that is the better explanation.
    if (closure === UNREACHABLE && before === CLOSE_CODES[1012] && count <= ATTEMPTS) closure = before;
    this.#freeze(attempt);
    this.#abandon();
    if (!closure.automatic || count > ATTEMPTS) {
      this.#update({ phase: 'ended', closure, attempt: count, retryAt: null });
      return;
    }
    const wait = backoff(count, this.#world.random);
    this.#update({ phase: 'waiting', closure, attempt: count, retryAt: Date.now() + wait });
    this.#retry = setTimeout(() => void this.#begin(), wait);
  }

  /** Forgets the attempt under way; its late events are ignored. */
  #abandon(): void {
    clearTimeout(this.#retry);
    const attempt = this.#current;
    this.#current = null;
    this.room.leave();
    this.sound.leave();
    this.stats.set(NO_STATS);
    this.#update({ resuming: false, transport: 'websocket', transportNote: '' });
    if (!attempt) return;
    clearTimeout(attempt.timer);
    attempt.abort.abort();
    attempt.display?.disconnect();
    attempt.socket?.close();
  }

  /** Tries at once when the network or the person is back. */
  readonly #hurry = (): void => {
    if (this.state.get().phase !== 'waiting' || document.visibilityState !== 'visible') return;
    clearTimeout(this.#retry);
    void this.#begin();
  };

  /** A page that the browser keeps for the way back would stay at the desktop, and in control of it. */
  readonly #leave = (event: PageTransitionEvent): void => {
    if (!event.persisted) return;
    clearTimeout(this.#retry);
    this.#abandon();
  };

  readonly #comeBack = (event: PageTransitionEvent): void => {
    if (event.persisted) this.reconnect();
  };

  #apply(): void {
    const display = this.#current?.display;
    if (!display) return;
    display.setInput(this.inputMode());
    display.setScale(this.#settings.scale, this.room.mayResize());
    display.setQuality(this.#settings.quality, this.#settings.compression);
  }

  /** Leaves the last picture in place while there is no connection. */
  #freeze(attempt: Attempt): void {
    if (attempt.connectedAt === 0) return;
    this.#thaw();
    this.#frozen = attempt.display?.lastPicture() ?? null;
    if (!this.#frozen) return;
    this.#frozen.dataset.frozen = '';
    this.#frozen.setAttribute('aria-hidden', 'true');
    this.#target?.append(this.#frozen);
  }

  #thaw(): void {
    this.#frozen?.remove();
    this.#frozen = null;
  }

  #update(change: Partial<StreamState>): void {
    this.state.set({ ...this.state.get(), ...change });
  }
}

function isRefusal(error: unknown): error is Refusal {
  return typeof error === 'object' && error !== null && 'status' in error && typeof error.status === 'number';
}
