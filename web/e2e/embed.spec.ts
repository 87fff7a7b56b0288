import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import type { Page } from '@playwright/test';
import { expect, test, watch } from './support/test';

const BLOCK = { red: 18, green: 52, blue: 86 };

/** Another site: one page, which has a desktop in it by the library. */
async function site(base: string, page: (url: string) => string) {
  let html = '';
  const server = createServer((_, answer) => {
    answer.setHeader('Content-Type', 'text/html');
    answer.end(html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    show: (url: string) => {
      html = page(url);
    },
    base,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

const pageWith = (base: string) => (url: string) => `<!doctype html><title>An application</title>
<div id="desktop" style="position:fixed;inset:0"></div>
<script type="module">
  import { mount } from '${base}/sdk/streamspace-embed.js';
  window.events = [];
  window.desktop = mount(document.querySelector('#desktop'), { url: ${JSON.stringify(url)}, name: 'The application', toolbar: false });
  for (const type of ['ready', 'state', 'latency', 'control', 'clipboard', 'error'])
    window.desktop.on(type, (event) => window.events.push(event));
</script>`;

interface Embedding extends Window {
  events: { type: string; phase?: string; code?: string; mine?: boolean }[];
  desktop: { sendKeys(keys: { keysym: number }[]): void; setQuality(value: number): void };
}

const told = (page: Page, type: string) =>
  page.evaluate(
    (wanted) => (window as unknown as Embedding).events.filter((event) => event.type === wanted),
    type,
  );

test("another site's page shows a desktop in a frame, and works with it", async ({
  admin,
  browser,
  product,
  complaints,
}) => {
  const session = await admin.start('terminal');
  await admin.waitForState(session.id, 'running');
  const other = await site(product.url, pageWith(product.url));
  const context = await browser.newContext({ viewport: { width: 900, height: 600 } }); // no cookie of ours
  const page = await context.newPage();
  watch(page, complaints);
  try {
    const share = await admin.call<{ id: string; url: string; kind: string }>(
      'POST',
      `/sessions/${session.id}/shares`,
      { permissions: ['view', 'control'], origin: other.origin },
    );
    expect(share.kind).toBe('embed');
    other.show(share.url);
    await page.goto(other.origin);
    const stage = page.frameLocator('iframe').locator('[data-phase]');
    await expect(stage).toHaveAttribute('data-phase', 'connected', { timeout: 60_000 });
    await expect(page.frameLocator('iframe').getByRole('toolbar')).toHaveCount(0);
    expect((await told(page, 'ready')).length).toBe(1);
    await expect.poll(async () => (await told(page, 'control')).at(-1)?.mine).toBe(true);

    // Keys that the page sends are typed: a block of a colour appears in the frame's canvas.
    const frame = page.frames().find((one) => one.url().startsWith(product.url));
    const text = `printf '\\033[48;2;${BLOCK.red};${BLOCK.green};${BLOCK.blue}m%40s\\033[0m\\n'`;
    await page.evaluate((line) => {
      const keys = [...line].map((letter) => ({ keysym: letter.charCodeAt(0) }));
      const { desktop } = window as unknown as Embedding;
      for (let at = 0; at < keys.length; at += 32) desktop.sendKeys(keys.slice(at, at + 32));
      desktop.sendKeys([{ keysym: 0xff0d }]);
    }, text);
    await expect
      .poll(
        () =>
          frame?.evaluate(({ red, green, blue }) => {
            const canvas = document.querySelector<HTMLCanvasElement>('[data-phase] canvas');
            const data = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
            let count = 0;
            for (let i = 0; i < data.length; i += 4) {
              if (Math.abs((data[i] ?? 0) - red) < 3 && Math.abs((data[i + 1] ?? 0) - green) < 3)
                if (Math.abs((data[i + 2] ?? 0) - blue) < 3) count++;
            }
            return count;
          }, BLOCK),
        { message: 'what the page typed shows', timeout: 20_000 },
      )
      .toBeGreaterThan(500);

    // A page of a third site may not have it, whatever it knows.
    const third = await site(product.url, pageWith(product.url));
    third.show(share.url);
    const stranger = await context.newPage();
    await stranger.goto(third.origin);
    await stranger.waitForTimeout(2_000); // nothing can be waited for where nothing may happen
    expect(await told(stranger, 'ready')).toEqual([]);
    expect(stranger.frames().some((one) => one.url().startsWith(product.url))).toBe(false);
    await stranger.close();
    await third.close();

    await admin.call('DELETE', `/sessions/${session.id}/shares/${share.id}`);
    await expect.poll(async () => (await told(page, 'error')).at(-1)?.code).toBe('access_revoked');
  } finally {
    await context.close();
    await other.close();
  }
});

test('the example page shows a desktop of another site', async ({ admin, browser, product, complaints }) => {
  const session = await admin.start('terminal');
  await admin.waitForState(session.id, 'running');
  const example = readFileSync(resolve(import.meta.dirname, '../embed/example.html'), 'utf8');
  const other = await site(product.url, () => example);
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 } });
  const page = await context.newPage();
  watch(page, complaints);
  try {
    const share = await admin.call<{ url: string }>('POST', `/sessions/${session.id}/shares`, {
      permissions: ['view', 'control'],
      origin: other.origin,
    });
    other.show(share.url);
    await page.goto(other.origin);
    await page.getByLabel('Address from the API').fill(share.url);
    await page.getByRole('button', { name: 'Show' }).click();
    await expect(page.frameLocator('iframe').locator('[data-phase=connected]')).toBeVisible({
      timeout: 60_000,
    });
    await expect(page.getByRole('button', { name: 'Type into it' })).toBeEnabled();
    await expect(page.locator('#state')).toContainText('your keys reach it');
    await expect(page.locator('#state')).toContainText('ms there and back', { timeout: 30_000 });
  } finally {
    await context.close();
    await other.close();
    await admin.stopAll();
  }
});
