import type { StreamSession } from './session';
import { Store } from './store';

/**
 * How text gets from this computer's clipboard to the desktop: by itself, after the person allowed it once, or only
 * through the panel (a page without TLS, a browser that asks each time, or a permission that is missing).
 */
export type ClipboardMode = 'automatic' | 'ask' | 'manual';

/** The part of the browser that is needed; the tests provide their own. */
export interface BrowserClipboard {
  readonly clipboard: Pick<Clipboard, 'readText' | 'writeText'> | undefined;
  queryRead(): Promise<PermissionStatus>;
}

export const browserClipboard: BrowserClipboard = {
  get clipboard() {
    // Undefined on pages without TLS, whatever the types say.
    return navigator.clipboard as Clipboard | undefined;
  },
  // Firefox does not know the name and throws: there the browser asks on every reading, so we do not read.
  queryRead: () => navigator.permissions.query({ name: 'clipboard-read' as PermissionName }),
};

/** Carries text between the computer's clipboard and the desktop's while the page has the focus. */
export class ClipboardSync {
  readonly mode = new Store<ClipboardMode>('manual');
  /** Whether the desktop copied something that could not be put on this computer's clipboard. */
  readonly waiting = new Store(false);

  readonly #stream: StreamSession;
  readonly #browser: BrowserClipboard;
  #stop = new AbortController();
  #last: string | null = null; // the text that both sides have

  constructor(stream: StreamSession, browser: BrowserClipboard = browserClipboard) {
    this.#stream = stream;
    this.#browser = browser;
  }

  start(): void {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    window.addEventListener('focus', () => void this.#pull(), { signal });
    signal.addEventListener(
      'abort',
      this.#stream.clipboard.subscribe(() => void this.#push()),
    );
    signal.addEventListener(
      'abort',
      this.#stream.state.subscribe(() => {
        if (this.#stream.state.get().phase === 'connected') void this.#pull();
      }),
    );
    void this.#learn(signal);
  }

  close(): void {
    this.#stop.abort();
  }

  /** Asks the browser for permission; call it from a click. */
  async allow(): Promise<void> {
    try {
      const text = await this.#browser.clipboard?.readText();
      if (text === undefined) return;
      this.mode.set('automatic');
      this.#send(text);
    } catch {
      this.mode.set('manual');
    }
  }

  /** Gives the desktop this text, whatever the mode. */
  send(text: string): void {
    this.#last = null;
    this.#send(text);
  }

  /** The person has taken the desktop's text out of the panel. */
  taken(): void {
    this.waiting.set(false);
  }

  async #learn(signal: AbortSignal): Promise<void> {
    if (!this.#browser.clipboard) return;
    try {
      const status = await this.#browser.queryRead();
      const follow = () => this.mode.set(MODES[status.state]);
      follow();
      status.addEventListener('change', follow, { signal });
      await this.#pull();
    } catch {
      this.mode.set('manual');
    }
  }

  async #pull(): Promise<void> {
    if (this.mode.get() !== 'automatic' || !document.hasFocus()) return;
    try {
      this.#send((await this.#browser.clipboard?.readText()) ?? '');
    } catch {
      // The focus went away in between, or the clipboard holds no text.
    }
  }

  #send(text: string): void {
    if (text === '' || text === this.#last || this.#stream.state.get().phase !== 'connected') return;
    this.#last = text;
    this.#stream.paste(text);
  }

  async #push(): Promise<void> {
    const text = this.#stream.clipboard.get();
    if (text === '' || text === this.#last) return;
    this.#last = text;
    try {
      if (!this.#browser.clipboard || !document.hasFocus()) throw new Error('no clipboard to write to');
      await this.#browser.clipboard.writeText(text);
      this.waiting.set(false);
    } catch {
      this.waiting.set(true);
    }
  }
}

const MODES: Record<PermissionState, ClipboardMode> = {
  granted: 'automatic',
  prompt: 'ask',
  denied: 'manual',
};
