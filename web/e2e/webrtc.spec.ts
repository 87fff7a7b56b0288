import type { Page } from '@playwright/test';
import { Desktop } from './support/desktop';
import type { Colour } from './support/desktop';
import { freePacketPort, PacketProxy } from './support/packets';
import { compare, locate, photograph } from './support/picture';
import { Product } from './support/product';
import { ADMIN_PASSWORD, expect, test as base, watch } from './support/test';

const BLOCK = { red: 18, green: 52, blue: 186 };
const MOVED = { red: 190, green: 60, blue: 20 };

/** The product with WebRTC in some formats of video, and a way to it that can be blocked. */
const test = base.extend<object, { formats: string[]; packets: PacketProxy; product: Product }>({
  formats: [async ({}, use) => use(['vp9-444', 'vp9', 'vp8']), { scope: 'worker' }],
  packets: [
    async ({}, use) => {
      const packets = new PacketProxy(await freePacketPort());
      await packets.start();
      await use(packets);
      packets.stop();
    },
    { scope: 'worker' },
  ],
  product: [
    async ({ formats, packets }, use) => {
      const product = new Product({
        password: ADMIN_PASSWORD,
        flags: [
          ...['--webrtc-listen', `127.0.0.1:${packets.target}`],
          ...['--webrtc-formats', formats.join(',')],
          ...['--webrtc-turn-listen', `127.0.0.1:${await freePacketPort()}`],
        ],
      });
      try {
        await product.start();
        await use(product);
      } finally {
        await product.dispose();
      }
    },
    { scope: 'worker', timeout: 120_000 },
  ],
});

test.afterEach(({ packets }) => {
  packets.blocked = false;
});

/** Has the page's packets go through the proxy, and by no relay. */
async function through(page: Page, packets: PacketProxy): Promise<void> {
  await page.addInitScript(() => {
    const Plain = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Plain {
      constructor(how: RTCConfiguration = {}) {
        super({ ...how, iceServers: [] });
      }
    };
  });
  await page.route('**/rtc/v1/**', async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    const response = await route.fetch();
    const answer = await response.text();
    return route.fulfill({
      response,
      body: answer.replaceAll(` ${packets.target} typ host`, ` ${packets.port} typ host`),
    });
  });
}

async function viaWebRTC(page: Page): Promise<void> {
  await expect(page.locator('[data-phase=connected] video[data-shown]')).toBeVisible({ timeout: 60_000 });
}

async function viaWebSocket(page: Page): Promise<void> {
  await expect(page.locator('[data-phase=connected] video')).toHaveCount(0, { timeout: 60_000 });
}

/** Waits until the colour is seen, and tells where. */
async function seen(page: Page, colour: Colour) {
  await expect
    .poll(async () => locate(await photograph(page), colour).count, {
      message: `pixels of ${JSON.stringify(colour)}`,
      timeout: 30_000,
    })
    .toBeGreaterThan(100);
  return locate(await photograph(page), colour).box;
}

/** Closes a panel; then the desktop has the keyboard again. */
async function dismiss(page: Page): Promise<void> {
  await page.keyboard.press('Escape');
  await expect(page.locator('[data-phase] canvas:not([data-frozen])')).toBeFocused();
}

async function choose(page: Page, transport: RegExp): Promise<void> {
  await page.mouse.move(640, 300);
  await page.mouse.move(640, 2);
  await page.getByRole('button', { name: 'Display and quality' }).click();
  await page.getByRole('radio', { name: transport }).click();
  await dismiss(page);
}

test('the desktop comes as video, legible, and takes keys and pointer', async ({
  page,
  admin,
  desktop,
  context,
}) => {
  const session = await admin.start('terminal');
  await page.goto(`/sessions/${session.id}`);
  await viaWebRTC(page);
  await desktop.typeAndShow('clear; seq -s " " 400; echo "The quick brown fox, 0O 1lI |!"', BLOCK);
  const block = await seen(page, BLOCK);
  expect(block.x).toBeLessThan(20);

  // Somebody else's picture by WebSocket, which is exact after a moment of rest, is what the desktop shows.
  const other = await context.newPage();
  const complaints: string[] = [];
  watch(other, complaints);
  await other.addInitScript(() =>
    localStorage.setItem('streamspace.viewer', JSON.stringify({ scale: 'fit', transport: 'websocket' })),
  );
  await other.goto(`/sessions/${session.id}`);
  await new Desktop(other).waitUntilLive();
  let difference = compare(null, null);
  await expect
    .poll(
      async () => {
        difference = compare(await photograph(page), await photograph(other));
        return difference.wrong;
      },
      { message: 'every letter is where it is, and as sharp', timeout: 30_000 },
    )
    .toBeLessThan(0.0005);
  expect(difference.mean).toBeLessThan(1.5);
  expect((await photograph(page))?.from).toBe('video');
  expect((await photograph(other))?.from).toBe('canvas');
  await other.close();
  expect(complaints).toEqual([]);

  // The pointer: a double click selects the word under it.
  await desktop.typeAndShow('clear; echo selected', MOVED);
  const below = await seen(page, MOVED);
  const before = await photograph(page);
  await desktop.click(below.x + below.width / 4, below.y - below.height / 2, { clickCount: 2 });
  await expect
    .poll(async () => compare(await photograph(page), before).wrong, { message: 'the word is highlighted' })
    .toBeGreaterThan(0.0002);
});

test('the exact pixels come when one asks for the best, and video again when something moves', async ({
  page,
  admin,
  desktop,
  context,
}) => {
  const session = await admin.start('terminal');
  const settle = (transport: string) => (init: Page) =>
    init.addInitScript(
      (text) => localStorage.setItem('streamspace.viewer', text),
      JSON.stringify({ scale: 'fit', transport, quality: 9 }),
    );
  await settle('auto')(page);
  await page.goto(`/sessions/${session.id}`);
  const video = page.locator('[data-phase=connected] video[data-shown]');
  await expect(video).toHaveCount(1, { timeout: 60_000 });
  await desktop.typeAndShow('clear; PS1=; printf "\\033[?25l"; seq -s " " 300', BLOCK);
  await seen(page, BLOCK);
  const other = await context.newPage();
  await settle('websocket')(other);
  await other.goto(`/sessions/${session.id}`);
  await new Desktop(other).waitUntilLive();
  await expect
    .poll(
      async () => {
        const [one, two] = [await photograph(page), await photograph(other)];
        return one?.from === 'canvas' ? compare(one, two).mean : 255;
      },
      { message: 'every pixel is the same', timeout: 30_000 },
    )
    .toBe(0);
  await desktop.type('while :; do seq -s " " $RANDOM 99999; done');
  await expect.poll(async () => (await photograph(page))?.from, { timeout: 30_000 }).toBe('video');
  await other.close();
});

test('one moves between the transports in the same picture', async ({ page, admin, desktop }) => {
  const session = await admin.start('terminal');
  await page.goto(`/sessions/${session.id}`);
  await viaWebRTC(page);
  await page
    .locator('[data-phase=connected] canvas')
    .first()
    .evaluate((canvas) => (canvas.dataset.same = 'yes'));
  await desktop.typeAndShow('echo by video', BLOCK);
  await seen(page, BLOCK);

  await choose(page, /^WebSocket/);
  await viaWebSocket(page);
  await desktop.typeAndShow('clear', MOVED);
  await desktop.waitForColour(MOVED);
  expect((await desktop.find(BLOCK)).count).toBe(0);

  await choose(page, /^WebRTC/);
  await viaWebRTC(page);
  await desktop.typeAndShow('clear', BLOCK);
  await seen(page, BLOCK);
  await expect(page.locator('canvas[data-same=yes]')).toHaveCount(1);

  // The size of the desktop changes under the video.
  await page.setViewportSize({ width: 1000, height: 640 });
  await expect
    .poll(async () => {
      const picture = await photograph(page);
      return [picture?.width, picture?.height];
    })
    .toEqual([1000, 640]);
  await desktop.typeAndShow('clear', MOVED);
  await seen(page, MOVED);
});

test('where no packet gets through, the stream stays on WebSocket and says why', async ({
  page,
  admin,
  desktop,
  packets,
}) => {
  packets.blocked = true;
  await through(page, packets);
  const session = await admin.start('terminal');
  await page.goto(`/sessions/${session.id}`);
  await desktop.waitUntilLive();
  await desktop.waitUntilStill();
  await desktop.typeAndShow('echo at once', BLOCK);
  await seen(page, BLOCK); // pictures come as JPEG at first
  await page.mouse.move(640, 2);
  await page.getByRole('button', { name: /^Connection/ }).click();
  await expect(page.getByRole('note')).toContainText('lets no UDP through', { timeout: 30_000 });
  await dismiss(page);
  await desktop.typeAndShow('clear', MOVED);
  await desktop.waitForColour(MOVED);

  // It is tried again when somebody asks for it.
  packets.blocked = false;
  await choose(page, /^WebRTC/);
  await viaWebRTC(page);
});

test('when the packets stop coming the stream goes on by WebSocket', async ({
  page,
  admin,
  desktop,
  packets,
}) => {
  await through(page, packets);
  const session = await admin.start('terminal');
  await page.goto(`/sessions/${session.id}`);
  await viaWebRTC(page);
  await desktop.typeAndShow('echo before', BLOCK);
  await seen(page, BLOCK);
  packets.blocked = true;
  await viaWebSocket(page);
  await desktop.typeAndShow('clear', MOVED);
  await desktop.waitForColour(MOVED);
  await page.mouse.move(640, 2);
  await page.getByRole('button', { name: /^Connection/ }).click();
  // On a slow machine it has been tried again meanwhile.
  await expect(page.getByRole('note')).toContainText(/WebRTC connection broke|lets no UDP through/, {
    timeout: 60_000,
  });
});

for (const transport of ['udp', 'tcp'] as const)
  test(`by a relay alone, over ${transport.toUpperCase()}`, async ({ page, admin, desktop }) => {
    await page.addInitScript((only) => {
      const Plain = window.RTCPeerConnection;
      window.RTCPeerConnection = class extends Plain {
        constructor(how: RTCConfiguration = {}) {
          const iceServers = (how.iceServers ?? []).map((server) => ({
            ...server,
            urls: [server.urls].flat().filter((url) => url.endsWith(only)),
          }));
          super({ ...how, iceServers, iceTransportPolicy: 'relay' });
        }
      };
    }, transport);
    const session = await admin.start('terminal');
    await page.goto(`/sessions/${session.id}`);
    await viaWebRTC(page);
    await desktop.typeAndShow('echo by a detour', BLOCK);
    await seen(page, BLOCK);
    await page.mouse.move(640, 2);
    await page.getByRole('button', { name: /^Connection/ }).click();
    await expect(page.getByRole('dialog', { name: 'Connection' })).toContainText(
      `WebRTC, relay (${transport.toUpperCase()})`,
      { timeout: 30_000 },
    );
  });

const thin = test.extend({
  formats: [async ({}, use) => use(['h264']), { scope: 'worker' }],
});

thin.describe('H.264', () => {
  thin.use({ viewport: { width: 1001, height: 641 } });

  thin('fills a desktop of odd sides to its last pixel', async ({ page, admin, desktop }) => {
    const session = await admin.start('terminal');
    await page.goto(`/sessions/${session.id}`);
    await viaWebRTC(page);
    await desktop.typeAndShow('clear; seq -s " " 300', BLOCK);
    await seen(page, BLOCK);
    await page.mouse.move(640, 2);
    await page.getByRole('button', { name: /^Connection/ }).click();
    await expect(page.getByRole('dialog', { name: 'Connection' })).toContainText('H264', { timeout: 30_000 });
    const desktops = page.locator('[data-phase=connected] canvas').first();
    const size = await desktops.evaluate((c: HTMLCanvasElement) => [
      c.width,
      c.height,
      c.clientWidth,
      c.clientHeight,
    ]);
    const video = await page.locator('[data-phase=connected] video').evaluate((v: HTMLVideoElement) => ({
      size: [v.videoWidth, v.videoHeight, v.clientWidth, v.clientHeight],
      cut: v.style.clipPath,
    }));
    const [width = 0, height = 0] = size;
    expect([width % 2, height % 2]).toContain(1);
    expect(video.size).toEqual(size.map((side) => side + (side % 2)));
    expect(video.cut).toBe(`inset(0px ${width % 2}px ${height % 2}px 0px)`);
  });
});
