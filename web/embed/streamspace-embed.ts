/**
 * Shows a StreamSpace desktop in a page of another site.
 *
 *     import { mount } from 'https://desks.example/sdk/streamspace-embed.js';
 *     const desktop = mount(document.querySelector('#desktop'), { url });
 *     desktop.on('state', ({ phase }) => console.log(phase));
 *
 * `url` is what the API answers to `POST /api/v1/sessions/{id}/shares` with this page's `origin`. It is a secret: give it
 * to nobody but the person who shall see the desktop.
 */
import { VERSION } from '../src/embed/protocol';
import type { EmbedCommand, EmbedEvent, EmbedKey, EmbedPhase } from '../src/embed/protocol';

export type { EmbedCommand, EmbedEvent, EmbedKey, EmbedPhase };

export interface MountOptions {
  /** What the API answered; it holds the token. */
  url: string;
  /** What other viewers are shown of this one. */
  name?: string;
  /** Whether the frame has a toolbar of its own; true. */
  toolbar?: boolean;
  /** What screen readers call the frame; "Desktop". */
  title?: string;
}

export type EventOf<T extends EmbedEvent['type']> = Extract<EmbedEvent, { type: T }>;

/** A desktop in the page. Everything ends with `unmount`. */
export class EmbeddedDesktop {
  readonly frame: HTMLIFrameElement;
  readonly #origin: string;
  readonly #listeners = new Map<string, Set<(event: never) => void>>();
  readonly #latest = new Map<string, EmbedEvent>();
  #waiting: EmbedCommand[] | null = [];

  constructor(element: Element, options: MountOptions) {
    const url = new URL(options.url);
    const wishes = new URLSearchParams(url.hash.slice(1));
    if (options.name !== undefined) wishes.set('name', options.name);
    if (options.toolbar === false) wishes.set('toolbar', '0');
    url.hash = wishes.toString();
    this.#origin = url.origin;
    this.frame = document.createElement('iframe');
    this.frame.src = url.href;
    this.frame.title = options.title ?? 'Desktop';
    this.frame.allow = 'fullscreen; clipboard-read; clipboard-write';
    this.frame.style.cssText = 'width:100%;height:100%;border:0;display:block';
    window.addEventListener('message', this.#hear);
    element.append(this.frame);
  }

  /** Calls the listener with each event of the type, at once with the latest if there was one. Returns how to stop. */
  on<T extends EmbedEvent['type']>(type: T, listener: (event: EventOf<T>) => void): () => void {
    const all = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, all.add(listener));
    const latest = this.#latest.get(type);
    if (latest) listener(latest as EventOf<T>);
    return () => all.delete(listener);
  }

  /** Gives the desktop the keyboard. */
  focus(): void {
    this.frame.focus();
    this.#ask({ type: 'focus' });
  }

  /** JPEG quality of pictures, 0 (least data) to 9 (sharpest). */
  setQuality(value: number): void {
    this.#ask({ type: 'quality', value });
  }

  /** `remote` gives the desktop the frame's size, `fit` scales the picture, `native` shows it one to one. */
  setScale(value: 'remote' | 'fit' | 'native'): void {
    this.#ask({ type: 'scale', value });
  }

  /** Presses keys, X11 keysyms: `[{ keysym: 0xff0d }]` is Return. */
  sendKeys(keys: readonly EmbedKey[]): void {
    this.#ask({ type: 'keys', keys });
  }

  sendCtrlAltDel(): void {
    this.#ask({ type: 'ctrlAltDel' });
  }

  /** Offers the text as the desktop's clipboard. */
  setClipboard(text: string): void {
    this.#ask({ type: 'clipboard', text });
  }

  requestControl(): void {
    this.#ask({ type: 'requestControl' });
  }

  releaseControl(): void {
    this.#ask({ type: 'releaseControl' });
  }

  reconnect(): void {
    this.#ask({ type: 'reconnect' });
  }

  /** Fills the screen. Browsers allow it in answer to a click or a key only. */
  enterFullScreen(): Promise<void> {
    return this.frame.requestFullscreen();
  }

  /** Takes the desktop out of the page. It goes on without it. */
  unmount(): void {
    window.removeEventListener('message', this.#hear);
    this.#listeners.clear();
    this.frame.remove();
  }

  #ask(command: EmbedCommand): void {
    if (this.#waiting) this.#waiting.push(command);
    else this.frame.contentWindow?.postMessage({ streamspace: VERSION, ...command }, this.#origin);
  }

  readonly #hear = (message: MessageEvent<unknown>): void => {
    if (message.source !== this.frame.contentWindow || message.origin !== this.#origin) return;
    const event = message.data as (EmbedEvent & { streamspace?: unknown }) | null;
    if (typeof event !== 'object' || event?.streamspace !== VERSION) return;
    this.#latest.set(event.type, event);
    if (event.type === 'ready') {
      const asked = this.#waiting ?? [];
      this.#waiting = null;
      asked.forEach((command) => this.#ask(command));
    }
    for (const listener of this.#listeners.get(event.type) ?? [])
      (listener as (event: EmbedEvent) => void)(event);
  };
}

/** Puts the desktop into the element, which has its size. */
export function mount(element: Element, options: MountOptions): EmbeddedDesktop {
  return new EmbeddedDesktop(element, options);
}
