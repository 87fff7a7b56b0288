import RFB from '@novnc/novnc';
import type { Display, DisplayEvents, Scale } from './session';

const FENCE_REQUEST = 0x8000_0000; // RFB, "ServerFence": the bit that asks for an answer

/**
 * noVNC with two additions: it can send a mark through the stream and hear its echo (a client fence, which every
 * server with the Fence extension answers in order), and it can leave its last picture behind.
 *
 * noVNC takes the answer to a fence of ours for a mistake, so the handler of that message is replaced. That method is
 * not public; the version is pinned and the end-to-end tests see the figure.
 */
class MeasuredRFB extends RFB {
  onEcho: (mark: string) => void = () => undefined;

  sendMark(mark: string): boolean {
    if (!this._supportsFence) return false;
    RFB.messages.clientFence(this._sock, FENCE_REQUEST, mark);
    return true;
  }

  lastPicture(): HTMLCanvasElement | null {
    const { width, height } = this._canvas;
    if (width === 0 || height === 0) return null;
    const copy = document.createElement('canvas');
    copy.width = width;
    copy.height = height;
    copy.style.width = this._canvas.style.width;
    copy.style.height = this._canvas.style.height;
    copy.getContext('2d')?.drawImage(this._canvas, 0, 0);
    return copy;
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

/** Opens a display on a socket that is connecting or open. */
export function openDisplay(target: HTMLElement, socket: WebSocket, events: DisplayEvents): Display {
  const rfb = new MeasuredRFB(target, socket, { shared: true });
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
    lastPicture: () => rfb.lastPicture(),
    setViewOnly: (on) => {
      rfb.viewOnly = on;
    },
    setScale: (scale) => setScale(rfb, scale),
    setQuality: (quality, compression) => {
      rfb.qualityLevel = quality;
      rfb.compressionLevel = compression;
    },
  };
}

function setScale(rfb: RFB, scale: Scale): void {
  // Remote resizing takes a moment, and a server may refuse it: until then fit the picture to the window.
  rfb.scaleViewport = scale !== 'native';
  rfb.clipViewport = false;
  rfb.resizeSession = scale === 'remote';
}

function detailOf(event: Event, key: string): string {
  const detail: unknown = event instanceof CustomEvent ? event.detail : null;
  const value =
    typeof detail === 'object' && detail !== null ? (detail as Record<string, unknown>)[key] : null;
  return typeof value === 'string' ? value : '';
}
