import type { Page } from '@playwright/test';
import type { Colour, Region } from './desktop';

/** What a person sees of a desktop: the video where there is one, otherwise the canvas. */
export interface Picture {
  readonly from: 'video' | 'canvas';
  readonly width: number;
  readonly height: number;
  /** Red, green, blue, alpha. */
  readonly data: Buffer;
}

/** Takes the picture; null while there is none. */
export async function photograph(page: Page): Promise<Picture | null> {
  const shot = await page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('[data-phase] canvas:not([data-frozen])');
    const video = document.querySelector<HTMLVideoElement>(
      '[data-phase] video[data-shown]:not([data-exact])',
    );
    if (!canvas?.width) return null;
    const copy = document.createElement('canvas');
    [copy.width, copy.height] = [video?.videoWidth ?? canvas.width, video?.videoHeight ?? canvas.height];
    const context = copy.getContext('2d');
    context?.drawImage(video ?? canvas, 0, 0);
    const bytes = context?.getImageData(0, 0, copy.width, copy.height).data ?? new Uint8ClampedArray();
    let text = '';
    for (let i = 0; i < bytes.length; i += 32_768)
      text += String.fromCharCode(...bytes.subarray(i, i + 32_768));
    return { from: video ? 'video' : 'canvas', width: copy.width, height: copy.height, text: btoa(text) };
  });
  if (!shot) return null;
  const { text, ...rest } = shot;
  return { ...rest, from: shot.from as Picture['from'], data: Buffer.from(text, 'base64') };
}

/** How far two pictures are from each other: the mean of brightness, of 255, and the share of pixels that nobody would take for the same. */
export function compare(one: Picture | null, other: Picture | null): { mean: number; wrong: number } {
  if (!one || !other || one.width !== other.width || one.height !== other.height)
    return { mean: Number.POSITIVE_INFINITY, wrong: 1 };
  const luma = (data: Buffer, i: number) =>
    0.299 * (data[i] ?? 0) + 0.587 * (data[i + 1] ?? 0) + 0.114 * (data[i + 2] ?? 0);
  let [sum, wrong] = [0, 0];
  for (let i = 0; i < one.data.length; i += 4) {
    const off = Math.abs(luma(one.data, i) - luma(other.data, i));
    sum += off;
    if (off > 24) wrong++;
  }
  const pixels = one.data.length / 4;
  return { mean: sum / pixels, wrong: wrong / pixels };
}

/** Where a colour is; video has it a little off. */
export function locate(picture: Picture | null, colour: Colour): { count: number; box: Region } {
  const box = { x: 0, y: 0, width: 0, height: 0 };
  if (!picture) return { count: 0, box };
  const { data, width, height } = picture;
  const off = (i: number, value: number) => Math.abs((data[i] ?? 0) - value) > 12;
  let [count, left, right, top, bottom] = [0, width, 0, height, 0];
  for (let i = 0; i < data.length; i += 4) {
    if (off(i, colour.red) || off(i + 1, colour.green) || off(i + 2, colour.blue)) continue;
    const [x, y] = [(i / 4) % width, Math.floor(i / 4 / width)];
    count++;
    [left, right, top, bottom] = [
      Math.min(left, x),
      Math.max(right, x),
      Math.min(top, y),
      Math.max(bottom, y),
    ];
  }
  return count === 0
    ? { count, box }
    : { count, box: { x: left, y: top, width: right - left + 1, height: bottom - top + 1 } };
}
