import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ClipboardSync } from './clipboard';
import type { BrowserClipboard } from './clipboard';
import type { StreamSession, StreamState } from './session';
import { Store } from './store';

class FakeBrowser implements BrowserClipboard {
  text = '';
  refuseWrites = false;
  readonly status = Object.assign(new EventTarget(), { state: 'granted' as PermissionState });
  readonly clipboard = {
    readText: () =>
      this.status.state === 'denied' ? Promise.reject(new Error('denied')) : Promise.resolve(this.text),
    writeText: (text: string) => {
      if (this.refuseWrites) return Promise.reject(new Error('denied'));
      this.text = text;
      return Promise.resolve();
    },
  };
  queryRead = () => Promise.resolve(this.status as unknown as PermissionStatus);
}

let pasted: string[];
let browser: FakeBrowser;
let clipboard: Store<string>;
let sync: ClipboardSync;

beforeEach(() => {
  pasted = [];
  browser = new FakeBrowser();
  clipboard = new Store('');
  const state = new Store({ phase: 'connected' } as StreamState);
  const stream = { clipboard, state, paste: (text: string) => pasted.push(text) } as unknown as StreamSession;
  sync = new ClipboardSync(stream, browser);
  vi.spyOn(document, 'hasFocus').mockReturnValue(true);
});

afterEach(() => sync.close());

const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

describe('towards the desktop', () => {
  it('hands over what was copied elsewhere when the page gets the focus, once', async () => {
    browser.text = 'from afar';
    sync.start();
    await settle();
    window.dispatchEvent(new Event('focus'));
    await settle();
    expect(pasted).toEqual(['from afar']);
    browser.text = 'newer';
    window.dispatchEvent(new Event('focus'));
    await settle();
    expect(pasted).toEqual(['from afar', 'newer']);
  });

  it('asks first where the browser wants to be asked', async () => {
    browser.status.state = 'prompt';
    browser.text = 'private';
    sync.start();
    await settle();
    expect(sync.mode.get()).toBe('ask');
    expect(pasted).toEqual([]);
    await sync.allow();
    expect(sync.mode.get()).toBe('automatic');
    expect(pasted).toEqual(['private']);
  });

  it('stays manual where the browser does not know the permission', async () => {
    browser.queryRead = () => Promise.reject(new TypeError('unknown permission'));
    sync.start();
    await settle();
    expect(sync.mode.get()).toBe('manual');
    sync.send('by hand');
    expect(pasted).toEqual(['by hand']);
  });
});

describe('from the desktop', () => {
  it('puts what was copied there on this clipboard, and does not send it back', async () => {
    sync.start();
    await settle();
    clipboard.set('from the desktop');
    await settle();
    expect(browser.text).toBe('from the desktop');
    window.dispatchEvent(new Event('focus'));
    await settle();
    expect(pasted).toEqual([]);
  });

  it('says so when the browser does not take it', async () => {
    browser.refuseWrites = true;
    sync.start();
    await settle();
    clipboard.set('from the desktop');
    await settle();
    expect(sync.waiting.get()).toBe(true);
    sync.taken();
    expect(sync.waiting.get()).toBe(false);
  });
});
