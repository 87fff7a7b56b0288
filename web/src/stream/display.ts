import RFB from '@novnc/novnc';
import type { Channel } from './channel';
import { PointerPace } from './pointer';
import type { InputMode } from './room';
import { VideoLayer } from './video';
import type { Display, DisplayEvents, Scale } from './session';
import type { VideoSource } from './webrtc';

/** Keys that are kept while a stream begins again: more than anybody types in a few seconds. */
const MOST_KEPT = 200;

const FENCE_REQUEST = 0x8000_0000; // RFB, "ServerFence": the bit that asks for an answer

/**
 * noVNC with four additions: it can send a mark through the stream and hear its echo (a client fence, which every
 * server with the Fence extension answers in order), it can leave its last picture behind, without control it can
 * still tell where it points, and it can begin its stream again on the same canvas.
 *
 * noVNC takes the answer to a fence of ours for a mistake, so the handler of that message is replaced. The methods are
 * not public; the version is pinned and the end-to-end tests see the figure.
 */
class MeasuredRFB extends RFB {
  onEcho: (mark: string) => void = () => undefined;
  /** Whether the pointer is sent although nothing else is; without buttons, since nothing may be pressed. */
  pointing = false;

  /** Keys that wait for the stream to begin again; null while it runs. */
  #kept: [number, string, boolean | undefined][] | null = null;

  /** Pointer messages since the stream began, and the buttons of the latest one. */
  #turn = 0;
  #buttons = 0;
  /** The update that is being read has pixels, beside video. */
  #exact = false;
  #video: { source: VideoSource; layer: VideoLayer } | null = null;

  readonly #pace = new PointerPace((x, y) => {
    if (!this.pointing || this._rfbConnectionState !== 'connected') return;
    this.#turn++;
    RFB.messages.pointerEvent(this._sock, this._display.absX(x), this._display.absY(y), 0);
  });

  /** Shows the pixels of a source instead of the stream's, in the same place. */
  setVideo(source: VideoSource | null): void {
    this.#video?.layer.remove();
    this.#video = source?.media ? { source, layer: new VideoLayer(this._canvas, source.media) } : null;
  }

  sendMark(mark: string): boolean {
    if (!this._supportsFence) return false;
    RFB.messages.clientFence(this._sock, FENCE_REQUEST, mark);
    return true;
  }

  /**
   * Forgets all of the stream but the picture: the next bytes are those of a new one. What is typed until that one is
   * there is kept for it.
   */
  restart(): void {
    this._sock._rQi = this._sock._rQlen = this._sock._sQlen = 0;
    this._FBU.rects = 0;
    this._FBU.encoding = null;
    for (const [encoding, decoder] of Object.entries(this._decoders)) {
      this._decoders[encoding] = new decoder.constructor() as typeof decoder;
    }
    this._supportsFence = false;
    this._supportsContinuousUpdates = false;
    this._enabledContinuousUpdates = false;
    this._supportsSetDesktopSize = false;
    this._qemuExtKeyEventSupported = false;
    this.#turn = this.#buttons = 0;
    this._rfbInitState = '';
    this._rfbConnectionState = 'connecting';
    this.#kept ??= [];
  }

  /** Types what was kept. */
  goOn(): void {
    const kept = this.#kept ?? [];
    this.#kept = null;
    for (const [keysym, code, down] of kept) super.sendKey(keysym, code, down);
  }

  override sendKey(keysym: number, code: string, down?: boolean): void {
    if (!this.#kept || this.viewOnly) super.sendKey(keysym, code, down);
    else if (this.#kept.length < MOST_KEPT) this.#kept.push([keysym, code, down]);
  }

  lastPicture(): HTMLCanvasElement | null {
    const { width, height } = this._canvas;
    if (width === 0 || height === 0) return null;
    const copy = document.createElement('canvas');
    copy.width = width;
    copy.height = height;
    copy.style.width = this._canvas.style.width;
    copy.style.height = this._canvas.style.height;
    copy.getContext('2d')?.drawImage(this.#video?.layer.picture() ?? this._canvas, 0, 0, width, height);
    return copy;
  }

  override disconnect(): void {
    this.#pace.stop();
    this.setVideo(null);
    super.disconnect();
  }

  protected override _sendMouse(x: number, y: number, mask: number): void {
    if (this.viewOnly) {
      this.#pace.move(x, y);
      return;
    }
    if (this._rfbConnectionState !== 'connected') return;
    const moves = this.#turn > 0 && mask === this.#buttons;
    if (moves && this.#video?.source.move(this.#turn, this._display.absX(x), this._display.absY(y))) return;
    this.#turn++;
    this.#buttons = mask;
    super._sendMouse(x, y, mask);
  }

  protected override _handleDataRect(): boolean {
    this.#exact = this.#video !== null;
    return super._handleDataRect();
  }

  /** Pixels beside video are the exact ones of all that rests. */
  protected override _framebufferUpdate(): boolean {
    const done = super._framebufferUpdate();
    if (done && this.#exact) {
      this.#exact = false;
      this.#video?.layer.stepBack();
    }
    return done;
  }

  protected override _handleServerFenceMsg(): boolean {
    if (this._sock.rQwait('ServerFence header', 8, 1)) return false;
    const header = this._sock.rQpeekBytes(8); // padding[3] flags[4] length[1]
    if (((header[3] ?? 0) & 0x80) !== 0) return super._handleServerFenceMsg();
    const length = header[7] ?? 0;
    if (this._sock.rQwait('ServerFence payload', 8 + length, 1)) return false;
    this._sock.rQskipBytes(8);
    this.onEcho(this._sock.rQshiftStr(length));
    return true;
  }
}

/** Opens a display on a channel that is connecting or open. */
export function openDisplay(target: HTMLElement, channel: Channel, events: DisplayEvents): Display {
  const rfb = new MeasuredRFB(target, channel, { shared: true });
  rfb.background = 'transparent';
  rfb.showDotCursor = true;
  rfb.onEcho = events.echo;
  rfb.addEventListener('connect', () => events.connect());
  rfb.addEventListener('disconnect', () => events.disconnect());
  rfb.addEventListener('securityfailure', () => events.disconnect());
  rfb.addEventListener('desktopname', (event) => events.name(detailOf(event, 'name')));
  rfb.addEventListener('clipboard', (event) => events.clipboard(detailOf(event, 'text')));
  return {
    sendMark: (mark) => rfb.sendMark(mark),
    sendKey: (keysym, code, down) => rfb.sendKey(keysym, code, down),
    sendCtrlAltDel: () => rfb.sendCtrlAltDel(),
    paste: (text) => rfb.clipboardPasteFrom(text),
    focus: () => rfb.focus({ preventScroll: true }),
    blur: () => rfb.blur(),
    disconnect: () => rfb.disconnect(),
    restart: () => rfb.restart(),
    goOn: () => rfb.goOn(),
    lastPicture: () => rfb.lastPicture(),
    setVideo: (source) => rfb.setVideo(source),
    setInput: (mode) => setInput(rfb, mode),
    setScale: (scale, mayResize) => setScale(rfb, scale, mayResize),
    setQuality: (quality, compression) => {
      rfb.qualityLevel = quality;
      rfb.compressionLevel = compression;
    },
  };
}

function setInput(rfb: MeasuredRFB, mode: InputMode): void {
  rfb.pointing = mode === 'pointer';
  const viewOnly = mode !== 'full';
  // Setting it takes or lets go of the keyboard, and with it the keys that are held down.
  if (rfb.viewOnly !== viewOnly) rfb.viewOnly = viewOnly;
}

function setScale(rfb: RFB, scale: Scale, mayResize: boolean): void {
  // Remote resizing takes a moment, and a server may refuse it: until then fit the picture to the window.
  rfb.scaleViewport = scale !== 'native';
  rfb.clipViewport = false;
  const resize = scale === 'remote' && mayResize;
  // Setting it asks for the size of this window: not anew whenever something else has changed.
  if (rfb.resizeSession !== resize) rfb.resizeSession = resize;
}

function detailOf(event: Event, key: string): string {
  const detail: unknown = event instanceof CustomEvent ? event.detail : null;
  const value =
    typeof detail === 'object' && detail !== null ? (detail as Record<string, unknown>)[key] : null;
  return typeof value === 'string' ? value : '';
}
