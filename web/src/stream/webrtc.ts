import { ROOM_PROTOCOL } from './channel';
import { Copies } from './copies';
import { VideoMeter } from './video-meter';
import type { SoundWay } from './sound';
import type { VideoFigures } from './video-meter';

/** Reads what a gateway says on its stream when one can go on by WebRTC: the relays for it; null for other texts. */
export function webrtcOffer(text: string, address: string): RTCIceServer[] | null {
  if (!text.startsWith('{"type":"webrtc"')) return null;
  const { iceServers } = JSON.parse(text) as { iceServers?: RTCIceServer[] };
  const { hostname } = new URL(address.replace(/^ws/, 'http'));
  return (iceServers ?? []).map((server) => ({
    ...server,
    urls: [server.urls].flat().map((url) => url.replace('{host}', hostname)),
  }));
}

/** How long a connection may take until its channels are open, in milliseconds. */
export const WEBRTC_TIMEOUT = 10_000;

/** A connection that lived this long, in milliseconds, may be tried again when it broke. */
export const WEBRTC_STABLE = 60_000;

/** How often it is looked how the video does, in milliseconds. */
const FIGURES_EVERY = 1_000;

/** How long a connection that hears nothing may go on, in milliseconds: a network changes within that. */
const SILENT_FOR = 2_000;

/** Motion is left out while so many bytes of it wait: newer motion is as good. */
const POINTER_BACKLOG = 1_000;

/** What people are told. */
const REASONS = {
  missing: 'This browser has no WebRTC.',
  decoder: 'This browser decodes none of the video formats that the server codes.',
  full: 'The server has all the viewers by WebRTC that it can serve.',
  refused: 'The server did not take the offer.',
  unreachable: 'The server could not be asked.',
  silent:
    'No packet got through: a firewall on the way, or this network, lets no UDP through to the server’s WebRTC port.',
  silentTCP: 'No packet got through, neither by UDP nor by TCP: a firewall on the way stops both.',
  lost: 'The WebRTC connection broke.',
} as const;

/** What a display needs of a peer. */
export interface VideoSource {
  readonly media: MediaStream | null;
  /** Sends where the pointer is, past everything else; false when that cannot be. `turn` counts pointer messages. */
  move(turn: number, x: number, y: number): boolean;
}

/**
 * A WebRTC connection that looks like a WebSocket: the `control` channel carries the stream's bytes and the room's
 * texts. Beside it come the desktop's pixels as video and go the pointer's motions, and copies of what is typed.
 *
 * The gateway's ends of a WebSocket's pings and of its closing are texts here, which are dealt with here.
 */
export class PeerSocket extends EventTarget implements VideoSource, SoundWay {
  readonly protocol = ROOM_PROTOCOL;
  binaryType: BinaryType = 'arraybuffer';
  readyState: number = WebSocket.CONNECTING;
  media: MediaStream | null = null;
  sound: MediaStream | null = null;
  /** Why there is no connection, for people; empty while there is no reason. */
  failure = '';
  /** How the video does; null while that is not known. */
  figures: VideoFigures | null = null;

  readonly #connection: RTCPeerConnection | null;
  readonly #abort = new AbortController();
  #control: RTCDataChannel | null = null;
  #pointer: RTCDataChannel | null = null;
  #number = 0;
  #again: RTCDataChannel | null = null;
  readonly #copies = new Copies((message) => {
    if (this.#again?.readyState === 'open') this.#again.send(message);
  });
  #sent = 0;
  #voice: RTCRtpSender | null = null;
  #resource = '';
  #late: RTCIceCandidate[] = [];
  #overTCP = false;
  #stats: ReturnType<typeof setInterval> | undefined;
  #silent: ReturnType<typeof setTimeout> | undefined;

  /** `address` is that of the WebSocket, with what lets the viewer in; the servers are relays (TURN). */
  constructor(address: string, iceServers: RTCIceServer[]) {
    super();
    this.#connection =
      typeof RTCPeerConnection === 'undefined' ? null : new RTCPeerConnection({ iceServers });
    if (!this.#connection) {
      setTimeout(() => this.#fail(REASONS.missing));
      return;
    }
    void this.#offer(this.#connection, signallingAddress(address)).catch(() => this.#fail(REASONS.refused));
  }

  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | ((event: never) => void) | null,
    options?: AddEventListenerOptions | boolean,
  ): void {
    super.addEventListener(type, listener as EventListenerOrEventListenerObject | null, options);
  }

  send(data: string | ArrayBufferView<ArrayBuffer>): void {
    if (this.#control?.readyState !== 'open') return;
    const number = this.#sent++;
    if (typeof data === 'string') {
      this.#control.send(data);
      return;
    }
    this.#control.send(data);
    this.#copies.note(number, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  move(turn: number, x: number, y: number): boolean {
    const channel = this.#pointer;
    if (channel?.readyState !== 'open') return false;
    if (channel.bufferedAmount > POINTER_BACKLOG) return true;
    const message = new DataView(new ArrayBuffer(12));
    message.setUint32(0, turn);
    message.setUint32(4, ++this.#number);
    message.setUint16(8, x);
    message.setUint16(10, y);
    channel.send(message);
    return true;
  }

  speak(track: MediaStreamTrack | null): void {
    void this.#voice?.replaceTrack(track).catch(() => undefined); // a connection that has ended
  }

  close(): void {
    this.#end(1005, '');
  }

  async #offer(connection: RTCPeerConnection, address: string): Promise<void> {
    this.#control = connection.createDataChannel('control');
    this.#control.binaryType = 'arraybuffer';
    this.#pointer = connection.createDataChannel('pointer', { ordered: false, maxRetransmits: 0 });
    this.#again = connection.createDataChannel('copies', { ordered: false, maxRetransmits: 0 });
    const { receiver } = connection.addTransceiver('video', { direction: 'recvonly' });
    // Frames are shown as they come: smoothness would cost what low latency is for.
    if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
    this.media = new MediaStream([receiver.track]);
    // Both ways from the start: a microphone that is turned on later needs no other offer.
    const sound = connection.addTransceiver('audio', { direction: 'sendrecv' });
    this.sound = new MediaStream([sound.receiver.track]);
    this.#voice = sound.sender;
    connection.addEventListener('icecandidate', ({ candidate }) => this.#found(candidate));
    connection.addEventListener('connectionstatechange', () => this.#changed(connection.connectionState));
    this.#control.addEventListener('open', () => this.#up(receiver));
    this.#control.addEventListener('close', () => this.#fail(REASONS.lost));
    this.#control.addEventListener('message', (event: MessageEvent<unknown>) => this.#hear(event));
    await connection.setLocalDescription();
    const answer = await this.#post(address, connection.localDescription?.sdp ?? '');
    if (answer === null || this.#over) return;
    this.#overTCP = answer.includes('tcptype');
    await connection.setRemoteDescription({ type: 'answer', sdp: answer });
    this.#trickle();
  }

  async #post(address: string, offer: string): Promise<string | null> {
    const response = await fetch(address, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: offer,
      credentials: 'omit',
      signal: this.#abort.signal,
    }).catch(() => null);
    if (this.#over) return null;
    if (response?.status !== 201) {
      this.#fail(refusal(response));
      return null;
    }
    this.#resource = new URL(response.headers.get('Location') ?? '', address).href;
    return response.text();
  }

  /** An address of this browser's was found; null after the last. */
  #found(candidate: RTCIceCandidate | null): void {
    if (!candidate?.candidate) return;
    this.#late.push(candidate);
    if (this.#resource !== '') this.#trickle();
  }

  /** Tells the gateway of addresses that the offer did not have. */
  #trickle(): void {
    const late = this.#late.splice(0);
    if (late.length === 0) return;
    const lines = [`a=ice-ufrag:${late[0]?.usernameFragment ?? ''}`];
    for (const { candidate, sdpMid } of late) lines.push(`a=mid:${sdpMid ?? '0'}`, `a=${candidate}`);
    void fetch(this.#resource, {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/trickle-ice-sdpfrag' },
      body: `${lines.join('\r\n')}\r\n`,
      credentials: 'omit',
      signal: this.#abort.signal,
    }).catch(() => undefined); // the gateway learns them from packets, too
  }

  #up(receiver: RTCRtpReceiver): void {
    if (this.#over) return;
    this.readyState = WebSocket.OPEN;
    const meter = new VideoMeter();
    const read = async () => {
      const report = await receiver.getStats();
      this.figures = meter.read(entriesOf(report), performance.now());
    };
    this.#stats = setInterval(() => void read().catch(() => undefined), FIGURES_EVERY);
    this.dispatchEvent(new Event('open'));
  }

  #changed(state: RTCPeerConnectionState): void {
    clearTimeout(this.#silent);
    if (state === 'disconnected' && this.readyState === WebSocket.OPEN)
      this.#silent = setTimeout(() => this.#fail(REASONS.lost), SILENT_FOR); // a WebSocket may do better
    if (state !== 'failed') return;
    if (this.readyState === WebSocket.OPEN) this.#fail(REASONS.lost);
    else this.#fail(this.#overTCP ? REASONS.silentTCP : REASONS.silent);
  }

  #hear(event: MessageEvent<unknown>): void {
    if (this.#over) return;
    if (typeof event.data === 'string' && this.#own(event.data)) return;
    this.dispatchEvent(new MessageEvent('message', { data: event.data }));
  }

  /** Takes texts that are about the connection. */
  #own(text: string): boolean {
    if (text.startsWith('{"type":"ping"')) {
      this.send(text.replace('ping', 'pong'));
      return true;
    }
    if (!text.startsWith('{"type":"close"')) return false;
    const { status, reason } = JSON.parse(text) as { status?: number; reason?: string };
    this.#end(status ?? 1005, reason ?? '');
    return true;
  }

  get #over(): boolean {
    return this.readyState === WebSocket.CLOSED;
  }

  #fail(reason: string): void {
    if (this.#over) return;
    this.failure = reason;
    this.#end(1006, '');
  }

  #end(code: number, reason: string): void {
    if (this.#over) return;
    if (this.failure === '' && this.readyState === WebSocket.CONNECTING && this.#resource !== '')
      this.failure = this.#overTCP ? REASONS.silentTCP : REASONS.silent; // closed since it took too long
    const open = this.readyState === WebSocket.OPEN;
    this.readyState = WebSocket.CLOSED;
    clearInterval(this.#stats);
    clearTimeout(this.#silent);
    this.#copies.stop();
    this.#abort.abort();
    this.#connection?.close();
    if (!open && this.#resource !== '')
      void fetch(this.#resource, { method: 'DELETE', credentials: 'omit', keepalive: true }).catch(
        () => undefined,
      );
    this.dispatchEvent(new CloseEvent('close', { code, reason }));
  }
}

/** Where offers go: beside the WebSocket's address. */
export function signallingAddress(address: string): string {
  return address.replace(/^ws/, 'http').replace('/stream/v1/', '/rtc/v1/');
}

function entriesOf(report: RTCStatsReport): [string, unknown][] {
  const entries: [string, unknown][] = [];
  report.forEach((entry: unknown, id: string) => entries.push([id, entry]));
  return entries;
}

function refusal(response: Response | null): string {
  switch (response?.status) {
    case undefined:
      return REASONS.unreachable;
    case 406:
      return REASONS.decoder;
    case 503:
      return REASONS.full;
    default:
      return REASONS.refused;
  }
}
