/** The part of @novnc/novnc 1.7.0 that we use. It ships no types of its own. */
declare module '@novnc/novnc' {
  interface ReceiveQueue {
    /** True when fewer than `length` bytes are there; then the reader is put `goback` bytes back. */
    rQwait(message: string, length: number, goback?: number): boolean;
    rQpeekBytes(length: number): Uint8Array;
    rQskipBytes(length: number): void;
    rQshiftStr(length: number): string;
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
    protected _supportsFence: boolean;
    protected _sendMouse(x: number, y: number, mask: number): void;
    protected _handleServerFenceMsg(): boolean;
  }
}
