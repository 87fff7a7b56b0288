import type { Browser, Page } from '@playwright/test';
import { Desktop } from './support/desktop';
import type { Product } from './support/product';
import { expect, test, watch } from './support/test';

const BLOCK = { red: 18, green: 52, blue: 86 };
const YES = { red: 1, green: 200, blue: 3 };

/** Opens the toolbar, which hides by itself, and clicks in it. */
async function tool(page: Page, name: string | RegExp): Promise<void> {
  await page.mouse.move(640, 2);
  await page.getByRole('toolbar').getByRole('button', { name }).click();
}

/** Makes a link in the open dialog. */
async function link(page: Page, level: string): Promise<string> {
  await page.getByLabel('What they may do', { exact: true }).click();
  await page.getByRole('option', { name: level, exact: true }).click();
  await page.getByRole('button', { name: /^Make a/ }).click();
  return (await page.getByTestId('share-link').textContent()) ?? '';
}

/** Comes in by a link with a browser of its own. */
async function guest(browser: Browser, product: Product, url: string, name: string, complaints: string[]) {
  const context = await browser.newContext({ baseURL: product.url, viewport: { width: 1100, height: 700 } });
  const page = await context.newPage();
  watch(page, complaints);
  await page.goto(url);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Come in' }).click();
  const desktop = new Desktop(page);
  await desktop.waitUntilLive();
  return { context, page, desktop };
}

test('a guest comes in by a link, sees the same pixels, gets control, and is let out', async ({
  page,
  admin,
  desktop,
  browser,
  product,
  complaints,
}) => {
  expect(admin).toBeTruthy();
  await page.goto('/catalog');
  await page.getByRole('button', { name: 'Start Terminal' }).click();
  await desktop.waitUntilLive();
  await desktop.waitUntilStill();
  await expect(page.getByTestId('control-notice')).toHaveCount(0);

  await tool(page, 'People and sharing');
  await page.getByRole('button', { name: 'Share this desktop' }).click();
  const url = await link(page, 'Watch and control');
  await page.getByRole('button', { name: 'Close' }).click();
  const alan = await guest(browser, product, url, 'Alan', complaints);

  // Both see what either has on the screen, byte for byte once it rests.
  await desktop.stage.locator('canvas').click({ position: { x: 300, y: 300 } });
  await desktop.typeAndShow('clear', BLOCK);
  await alan.desktop.waitForColour(BLOCK);
  expect(await alan.desktop.size()).toEqual(await desktop.size()); // the guest's window does not resize it
  await expect
    .poll(async () => (await alan.desktop.fingerprint()) === (await desktop.fingerprint()), {
      message: 'both show the same pixels',
    })
    .toBe(true);

  // The owner has control: the guest's keys do nothing, and where it points is shown.
  await expect(alan.page.getByTestId('control-notice')).toContainText('Administrator has control');
  const before = await desktop.fingerprint();
  await alan.desktop.stage.locator('canvas').click({ position: { x: 400, y: 250 } });
  await alan.desktop.typeAndShow('true', YES);
  await alan.page.mouse.move(500, 300);
  await expect(page.getByTestId('cursors')).toContainText('Alan');
  await page.waitForTimeout(1_000); // nothing can be waited for where nothing may happen
  expect((await desktop.find(YES)).count).toBe(0);
  expect(await desktop.fingerprint()).toBe(before);

  await alan.page.getByRole('button', { name: 'Ask for control' }).click();
  await expect(page.getByTestId('control-notice')).toContainText('Alan asks for control');
  await page.getByRole('button', { name: 'Give control' }).click();
  await expect(page.getByTestId('control-notice')).toContainText('Alan has control');
  await alan.desktop.typeAndShow('true', YES);
  await desktop.waitForColour(YES);

  // The link's end puts the guest out, and the link leads nowhere.
  await tool(page, 'People: 2 are here');
  await page.getByRole('button', { name: 'Share this desktop' }).click();
  await page.getByRole('button', { name: 'End the share: A link' }).click();
  await page.getByRole('button', { name: 'End it' }).click();
  await expect(alan.page.getByText('You were let out')).toBeVisible({ timeout: 2_000 });
  await alan.page.goto('about:blank');
  await alan.page.goto(url);
  await alan.page.getByRole('button', { name: 'Come in' }).click();
  await expect(alan.page.getByText('This link does not work')).toBeVisible();
  await alan.context.close();

  // Alone again: the owner works on.
  await page.getByRole('button', { name: 'Close' }).click();
  await expect(page.getByTestId('control-notice')).toHaveCount(0);
  await desktop.stage.locator('canvas').click({ position: { x: 300, y: 300 } });
  await desktop.typeAndShow('clear', BLOCK);
  await desktop.waitForColour(BLOCK);
});

test('an invited user finds the session, watches it, and sees it go', async ({ page, admin, grace }) => {
  const session = await admin.start('terminal');
  await admin.waitForState(session.id, 'running');
  await page.goto('/sessions');
  await page.getByRole('button', { name: 'More for Terminal' }).click();
  await page.getByRole('menuitem', { name: 'Share' }).click();
  await page.getByRole('button', { name: 'With a person' }).click();
  await page.getByLabel('Username').fill('nobody-here');
  await page.getByRole('button', { name: 'Invite' }).click();
  await expect(page.getByRole('alert')).toBeVisible();
  await grace.page.goto('/sessions');
  await page.getByLabel('Username').fill('grace');
  await page.getByRole('button', { name: 'Invite' }).click();
  await expect(page.getByText('grace finds it')).toBeVisible();

  // It appears by itself.
  await expect(grace.page.getByRole('heading', { name: 'Shared with me' })).toBeVisible();
  await expect(grace.page.getByText('shared by admin')).toBeVisible();
  await grace.page.getByRole('link', { name: 'Open', exact: true }).click();
  const theirs = new Desktop(grace.page);
  await theirs.waitUntilLive();
  await grace.page.mouse.move(640, 2);
  await expect(grace.page.getByText('View only')).toBeVisible();

  await page.getByRole('button', { name: 'End the share: grace' }).click();
  await page.getByRole('button', { name: 'End it' }).click();
  await expect(grace.page.getByText(/Your access was withdrawn|There is no such session/)).toBeVisible({
    timeout: 2_000,
  });
});

test('a running session shows its picture on the page of sessions', async ({ page, admin }) => {
  const session = await admin.start('terminal');
  await admin.waitForState(session.id, 'running');
  await page.goto('/sessions');
  const picture = page.getByTestId('thumbnail');
  await expect(picture).toBeVisible({ timeout: 30_000 });
  const size = await picture.evaluate((img: HTMLImageElement) => [img.naturalWidth, img.naturalHeight]);
  expect(size[0]).toBeGreaterThan(100);
  expect(size[0]).toBeLessThanOrEqual(320);
});
