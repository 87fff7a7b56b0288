import { Desktop } from './support/desktop';
import { Fleet } from './support/fleet';
import { ADMIN_PASSWORD, expect, Person, test } from './support/test';

const BEFORE = { red: 18, green: 52, blue: 86 };
const AFTER = { red: 86, green: 52, blue: 18 };
const LAST = { red: 18, green: 86, blue: 52 };

test('a page outlives the gateways that serve it', async ({ browser, complaints }) => {
  const fleet = await Fleet.start(ADMIN_PASSWORD, 3);
  const context = await browser.newContext();
  const page = await context.newPage();
  const streams: string[] = [];
  const alarms: string[] = [];
  page.on('websocket', (socket) => {
    if (socket.url().includes('/stream/')) streams.push(socket.url());
  });
  try {
    const admin = new Person(context, fleet.plane);
    await admin.signIn('admin', ADMIN_PASSWORD);
    const session = await admin.start('terminal');
    await page.goto(`${fleet.plane.url}/sessions/${session.id}`);
    const desktop = new Desktop(page);
    await desktop.waitUntilLive();
    await desktop.waitUntilStill();
    await desktop.typeAndShow('clear; echo before', BEFORE);
    await desktop.waitForColour(BEFORE);
    const canvas = page.locator('[data-phase=connected] canvas').first();
    await canvas.evaluate((element) => (element.dataset.same = 'yes'));
    page.on('domcontentloaded', () => alarms.push('the page was loaded again'));

    for (const [signal, colour] of [
      ['SIGKILL', AFTER],
      ['SIGTERM', LAST],
    ] as const) {
      const serving = streams.at(-1) ?? '';
      const count = streams.length;
      await fleet.at(serving).end(signal);
      await expect
        .poll(() => streams.length, { message: 'another stream', timeout: 30_000 })
        .toBeGreaterThan(count);
      await desktop.waitUntilLive();
      await desktop.typeAndShow(`clear; echo ${signal}`, colour);
      await desktop.waitForColour(colour);
      const now = streams.at(-1) ?? '';
      expect(new URL(now).port).not.toBe(new URL(serving).port);
    }
    await expect(page.locator('canvas[data-same=yes]')).toHaveCount(1);
    await expect(page.locator('canvas[data-frozen]')).toHaveCount(0);
    expect(alarms).toEqual([]);
    expect(complaints.filter((text) => !text.includes('WebSocket connection'))).toEqual([]);
  } finally {
    await context.close();
    await fleet.dispose();
  }
});
