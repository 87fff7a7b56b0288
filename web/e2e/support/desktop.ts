import { expect } from '@playwright/test';
import type { Locator, Page } from '@playwright/test';

/** A colour that nothing on a desktop has by itself. */
export interface Colour {
  readonly red: number;
  readonly green: number;
  readonly blue: number;
}

export interface Region {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The streamed picture in a page. Pixels are read from the canvas itself, not from a picture of the page. */
export class Desktop {
  readonly page: Page;
  readonly stage: Locator;

  constructor(page: Page) {
    this.page = page;
    this.stage = page.locator('[data-phase]');
  }

  /** Waits until pixels have arrived: more than one colour on the canvas. */
  async waitUntilLive(timeout = 60_000): Promise<void> {
    await expect(this.stage).toHaveAttribute('data-phase', 'connected', { timeout });
    await expect
      .poll(() => this.colours(), { message: 'the picture has more than one colour', timeout: 30_000 })
      .toBeGreaterThan(1);
  }

  /** Waits until the terminal shows its prompt: the picture holds still with something written on it. */
  async waitUntilStill(): Promise<void> {
    let before = '';
    await expect
      .poll(
        async () => {
          const now = await this.fingerprint();
          const still = now === before;
          before = now;
          return still;
        },
        { message: 'the picture holds still', intervals: [400], timeout: 30_000 },
      )
      .toBe(true);
  }

  size(): Promise<{ width: number; height: number }> {
    return this.page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('[data-phase] canvas:not([data-frozen])');
      return { width: canvas?.width ?? 0, height: canvas?.height ?? 0 };
    });
  }

  /** How many different colours the picture has. */
  colours(): Promise<number> {
    return this.page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('[data-phase] canvas:not([data-frozen])');
      if (!canvas?.width) return 0;
      const data =
        canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ??
        new Uint8ClampedArray();
      return new Set(new Uint32Array(data.buffer)).size;
    });
  }

  /** A number for the pixels of a region, or of everything. */
  fingerprint(region?: Region): Promise<string> {
    return this.page.evaluate(async (at) => {
      const canvas = document.querySelector<HTMLCanvasElement>('[data-phase] canvas:not([data-frozen])');
      if (!canvas?.width) return '';
      const { x, y, width, height } = at ?? { x: 0, y: 0, width: canvas.width, height: canvas.height };
      const data = canvas.getContext('2d')?.getImageData(x, y, width, height).data;
      if (!data) return '';
      let hash = 0x811c9dc5; // FNV-1a; crypto.subtle needs a secure page
      for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
      return `${width}x${height} ${hash >>> 0}`;
    }, region);
  }

  /** The bytes of a region: red, green, blue, alpha. */
  pixels(region: Region): Promise<number[]> {
    return this.page.evaluate(({ x, y, width, height }) => {
      const canvas = document.querySelector<HTMLCanvasElement>('[data-phase] canvas:not([data-frozen])');
      return [...(canvas?.getContext('2d')?.getImageData(x, y, width, height).data ?? [])];
    }, region);
  }

  /** Waits until the region shows what it showed before. Pictures may come as JPEG, so that a little may differ. */
  async waitForPixels(region: Region, before: readonly number[]): Promise<void> {
    await expect
      .poll(async () => difference(await this.pixels(region), before), {
        message: 'the same picture as before',
        timeout: 20_000,
      })
      .toBeLessThan(2);
  }

  /** Where pixels of this colour are: their number and the box around them. JPEG may be off by one or two. */
  find(colour: Colour): Promise<{ count: number; box: Region }> {
    return this.page.evaluate(({ red, green, blue }) => {
      const canvas = document.querySelector<HTMLCanvasElement>('[data-phase] canvas:not([data-frozen])');
      const nothing = { count: 0, box: { x: 0, y: 0, width: 0, height: 0 } };
      if (!canvas?.width) return nothing;
      const data = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data;
      if (!data) return nothing;
      const off = (i: number, value: number) => Math.abs((data[i] ?? 0) - value) > 2;
      let [count, left, right, top, bottom] = [0, canvas.width, 0, canvas.height, 0];
      for (let i = 0; i < data.length; i += 4) {
        if (off(i, red) || off(i + 1, green) || off(i + 2, blue)) continue;
        const x = (i / 4) % canvas.width;
        const y = Math.floor(i / 4 / canvas.width);
        count++;
        [left, right, top, bottom] = [
          Math.min(left, x),
          Math.max(right, x),
          Math.min(top, y),
          Math.max(bottom, y),
        ];
      }
      return count === 0
        ? nothing
        : { count, box: { x: left, y: top, width: right - left + 1, height: bottom - top + 1 } };
    }, colour);
  }

  /** Waits for a block of this colour and returns where it is. */
  async waitForColour(colour: Colour): Promise<Region> {
    await expect
      .poll(async () => (await this.find(colour)).count, {
        message: `pixels of ${JSON.stringify(colour)}`,
        timeout: 20_000,
      })
      .toBeGreaterThan(100);
    return (await this.find(colour)).box;
  }

  /** Types a line into whatever has the focus inside the desktop. */
  async type(line: string): Promise<void> {
    await this.page.keyboard.type(line, { delay: 12 });
    await this.page.keyboard.press('Enter');
  }

  /** Clicks at a place of the picture; the canvas is shown one to one. */
  async click(x: number, y: number, options: { clickCount?: number } = {}): Promise<void> {
    await this.page
      .locator('[data-phase] canvas:not([data-frozen])')
      .click({ position: { x, y }, ...options });
  }

  /** Types a command that shows a block of the colour if it succeeds. */
  async typeAndShow(command: string, { red, green, blue }: Colour): Promise<void> {
    await this.type(`${command} && printf '\\033[48;2;${red};${green};${blue}m          \\033[0m\\n'`);
  }
}

/** The mean difference of two pictures of one size, per byte; infinite for other sizes. */
function difference(now: readonly number[], before: readonly number[]): number {
  if (now.length !== before.length || now.length === 0) return Number.POSITIVE_INFINITY;
  return now.reduce((sum, byte, i) => sum + Math.abs(byte - (before[i] ?? 0)), 0) / now.length;
}
