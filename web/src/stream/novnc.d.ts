/** The part of @novnc/novnc 1.7.0 that we use. It ships no types of its own. */
declare module '@novnc/novnc' {
  interface ReceiveQueue {
    /** True when fewer than `length` bytes are there; then the reader is put `goback` bytes back. */
    rQwait(message: string, length: number, goback?: number): boolean;
    rQpeekBytes(length: number): Uint8Array;
    rQskipBytes(length: number): void;
    rQshiftStr(length: number): string;
    /** Not public: what was received and not read, and what was not sent. */
    _rQi: number;
    _rQlen: number;
    _sQlen: number;
  }

  export default class RFB extends EventTarget {
    constructor(target: Element, channel: object, options?: { shared?: boolean });

    static messages: {
      clientFence(sock: ReceiveQueue, flags: number, payload: string): void;
      pointerEvent(sock: ReceiveQueue, x: number, y: number, mask: number): void;
    };

    viewOnly: boolean;
    focusOnClick: boolean;
    clipViewport: boolean;
    dragViewport: boolean;
    scaleViewport: boolean;
    resizeSession: boolean;
    showDotCursor: boolean;
    background: string;
    qualityLevel: number;
    compressionLevel: number;

    disconnect(): void;
    focus(options?: FocusOptions): void;
    blur(): void;
    sendKey(keysym: number, code: string, down?: boolean): void;
    sendCtrlAltDel(): void;
    clipboardPasteFrom(text: string): void;

    /** Not public: see stream/display.ts. */
    protected _sock: ReceiveQueue;
    protected _canvas: HTMLCanvasElement;
    protected _display: { absX(x: number): number; absY(y: number): number };
    protected _rfbConnectionState: string;
    protected _rfbInitState: string;
    protected _supportsFence: boolean;
    protected _supportsContinuousUpdates: boolean;
    protected _enabledContinuousUpdates: boolean;
    protected _supportsSetDesktopSize: boolean;
    protected _qemuExtKeyEventSupported: boolean;
    protected _FBU: { rects: number; encoding: number | null };
    protected _decoders: Record<string, { constructor: { new (): object } }>;
    protected _sendMouse(x: number, y: number, mask: number): void;
    protected _handleServerFenceMsg(): boolean;
    protected _framebufferUpdate(): boolean;
    protected _handleDataRect(): boolean;
  }
}
