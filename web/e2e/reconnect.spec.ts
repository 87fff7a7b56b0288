import { Product } from './support/product';
import { Proxy } from './support/proxy';
import { ADMIN_PASSWORD, expect, Person, test } from './support/test';

const BLOCK = { red: 18, green: 52, blue: 86 };

test('a broken connection is explained and comes back by itself', async ({
  page,
  product,
  admin,
  desktop,
}) => {
  const proxy = new Proxy(product.port);
  await proxy.start();
  try {
    // The cookie is the host's: it is good on the proxy's port too.
    const session = await admin.start('terminal');
    await page.goto(`${proxy.url}/sessions/${session.id}`);
    await desktop.waitUntilLive();
    await desktop.waitUntilStill();
    await desktop.typeAndShow('clear; echo before the cut', BLOCK);
    const block = await desktop.waitForColour(BLOCK);
    await desktop.waitUntilStill();
    const before = await desktop.pixels(block);

    proxy.cut();
    await expect(page.getByRole('heading', { name: /Connection lost|Cannot reach/ })).toBeVisible();
    await expect(page.getByText(/Trying again/)).toBeVisible();
    await expect(page.locator('canvas[data-frozen]')).toHaveCount(1); // the last picture stays
    proxy.mend();
    await desktop.waitUntilLive();
    await desktop.waitForPixels(block, before);

    proxy.cut();
    await expect(page.getByRole('button', { name: 'Try now' })).toBeVisible();
    proxy.mend();
    await page.getByRole('button', { name: 'Try now' }).click();
    await desktop.waitUntilLive();
  } finally {
    await proxy.stop();
  }
});

test('a stream that breaks goes on in the same picture', async ({ page, product, admin, desktop }) => {
  const proxy = new Proxy(product.port);
  await proxy.start();
  try {
    const session = await admin.start('terminal');
    await page.goto(`${proxy.url}/sessions/${session.id}`);
    await desktop.waitUntilLive();
    await desktop.waitUntilStill();
    const canvas = page.locator('[data-phase=connected] canvas').first();
    await canvas.evaluate((element) => (element.dataset.same = 'yes'));
    const alarms: string[] = [];
    page.on('domcontentloaded', () => alarms.push('the page was loaded again'));
    for (let round = 0; round < 3; round++) {
      const resumed = page.waitForEvent('websocket', (socket) => socket.url().includes('?resume='));
      proxy.snap();
      await page.keyboard.type('cl'); // in the middle of it
      await resumed;
      await page.keyboard.type('ear');
      await desktop.typeAndShow(`; echo round ${round}`, BLOCK);
      await desktop.waitForColour(BLOCK);
      await desktop.typeAndShow('clear', { red: 0, green: 128, blue: 64 + round });
      await desktop.waitForColour({ red: 0, green: 128, blue: 64 + round });
    }
    await expect(page.locator('canvas[data-same=yes]')).toHaveCount(1);
    await expect(page.locator('canvas[data-frozen]')).toHaveCount(0);
    expect(alarms).toEqual([]);
  } finally {
    await proxy.stop();
  }
});

test('a restart of the server is told, and the page finds its way back', async ({ browser, complaints }) => {
  const product = new Product({ password: ADMIN_PASSWORD });
  const context = await browser.newContext();
  const page = await context.newPage();
  try {
    await product.start();
    const admin = new Person(context, product);
    await admin.signIn('admin', ADMIN_PASSWORD);
    const session = await admin.start('terminal');
    await page.goto(`${product.url}/sessions/${session.id}`);
    await expect(page.locator('[data-phase=connected]')).toBeVisible({ timeout: 60_000 });
    const words: string[] = [];
    const listening = page
      .getByRole('heading', { name: 'StreamSpace is restarting' })
      .waitFor({ timeout: 40_000 })
      .then(() => words.push('restarting'));
    await product.stop();
    await listening;
    expect(words).toEqual(['restarting']);

    await product.start();
    // The sign-in and the session outlive the restart; the desktop comes up again if it had to end.
    await expect(page.locator('[data-phase=connected]')).toBeVisible({ timeout: 90_000 });
    await expect(page.getByRole('heading', { name: /restarting|Connection lost|Cannot reach/ })).toHaveCount(
      0,
    );
    expect(complaints).toEqual([]);
  } finally {
    await context.close();
    await product.dispose();
  }
});
