import { Desktop } from './support/desktop';
import { expect, test, watch } from './support/test';

const BLOCK = { red: 18, green: 52, blue: 86 };

test("nobody opens somebody else's session", async ({ page, admin, grace }) => {
  const own = await admin.start('terminal');
  await grace.page.goto(`/sessions/${own.id}`);
  await expect(grace.page.getByText('There is no such session')).toBeVisible();
  await grace.page.goto('/sessions');
  await expect(grace.page.getByText('No desktop is running')).toBeVisible();
  await grace.page.goto('/admin/users');
  await expect(grace.page.getByText('There is no such page')).toBeVisible();
  await page.goto('/sessions/ses_00000000000000000000000000');
  await expect(page.getByText('There is no such session')).toBeVisible();
});

test('an administrator looks without touching, and takes control on purpose', async ({
  page,
  admin,
  grace,
  desktop,
}) => {
  expect(admin).toBeTruthy();
  const session = await grace.person.start('terminal');
  await grace.person.waitForState(session.id, 'running');
  await page.goto('/admin/sessions');
  await page.getByRole('link', { name: /of grace/ }).click();
  await desktop.waitUntilLive();
  await desktop.waitUntilStill();
  await page.mouse.move(640, 2);
  await expect(page.getByText('View only')).toBeVisible();
  const before = await desktop.fingerprint();
  await desktop.stage.locator('canvas').click({ position: { x: 300, y: 300 } });
  await desktop.typeAndShow('true', BLOCK);
  await page.waitForTimeout(1_000); // nothing can be waited for where nothing may happen
  expect(await desktop.fingerprint()).toBe(before);

  await page.mouse.move(640, 2);
  await page.getByRole('button', { name: 'Take control of mouse and keyboard' }).click();
  await desktop.waitUntilLive();
  await expect(page.getByText('View only')).toHaveCount(0);
  await desktop.stage.locator('canvas').click({ position: { x: 300, y: 300 } });
  await desktop.typeAndShow('true', BLOCK);
  await desktop.waitForColour(BLOCK);

  await page.goto('/admin/audit');
  await page.getByLabel('Action').fill('session.connect');
  await expect(page.getByRole('row').filter({ hasText: session.id }).first()).toBeVisible();
});

test('an administrator invites somebody, who signs in by the link; disabling ends it', async ({
  page,
  admin,
  browser,
  product,
}) => {
  expect(admin).toBeTruthy();
  await page.goto('/admin/users');
  await page.getByRole('button', { name: 'New user' }).click();
  await page.getByLabel('User name').fill('linus');
  await page.getByRole('button', { name: 'Create and get the link' }).click();
  const link = new URL((await page.getByTestId('secret').textContent()) ?? '');
  await page.getByRole('button', { name: 'I have kept it' }).click();
  await expect(page.getByRole('row').filter({ hasText: 'linus' })).toBeVisible();

  const context = await browser.newContext({ baseURL: product.url });
  const guest = await context.newPage();
  const complaints: string[] = [];
  watch(guest, complaints);
  await guest.goto(link.pathname + link.hash);
  await guest.getByLabel('New password').fill('a password of his own');
  await guest.getByLabel('The same again').fill('a password of his own');
  await guest.getByRole('button', { name: 'Set the password and sign in' }).click();
  await expect(guest.getByRole('heading', { name: 'Catalog' })).toBeVisible();
  await expect(guest.getByRole('link', { name: 'Admin' })).toHaveCount(0);

  await page.getByRole('button', { name: 'More for linus' }).click();
  await page.getByRole('menuitem', { name: 'Disable' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click();
  await expect(page.getByRole('row').filter({ hasText: 'linus' })).toContainText('Disabled');
  await guest.goto('/profile');
  await expect(guest.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  expect(complaints).toEqual([]);
  await context.close();
});

test('what happens elsewhere appears by itself', async ({ page, context, admin }) => {
  await page.goto('/sessions');
  await expect(page.getByText('No desktop is running')).toBeVisible();
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
  const session = await admin.start('terminal');
  const card = page.getByRole('article', { name: 'Terminal' });
  await expect(card).toContainText('Running', { timeout: 40_000 });
  await admin.call('PATCH', `/sessions/${session.id}`, { name: 'Renamed elsewhere' });
  await expect(page.getByRole('article', { name: 'Renamed elsewhere' })).toBeVisible();

  const other = new Desktop(await context.newPage());
  await other.page.goto(`/sessions/${session.id}`);
  await other.waitUntilLive();
  await admin.call('DELETE', `/sessions/${session.id}`);
  await expect(other.page.getByRole('heading', { name: 'This session was stopped' })).toBeVisible();
  await expect(page.getByText('No desktop is running')).toBeVisible({ timeout: 40_000 });
});

test('sign-ins and keys can be taken back', async ({ page, admin, browser, product }) => {
  expect(admin).toBeTruthy();
  await page.goto('/profile');
  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByLabel('Name', { exact: false }).last().fill('e2e');
  await page.getByRole('button', { name: 'Create' }).click();
  const key = (await page.getByTestId('secret').textContent()) ?? '';
  await page.getByRole('button', { name: 'I have kept it' }).click();
  const context = await browser.newContext({ baseURL: product.url });
  const me = () => context.request.get('/api/v1/me', { headers: { Authorization: `Bearer ${key}` } });
  expect((await me()).status()).toBe(200);
  await page.getByRole('button', { name: 'Delete the key e2e' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete the key' }).click();
  await expect(page.getByRole('button', { name: 'Delete the key e2e' })).toHaveCount(0);
  expect((await me()).status()).toBe(401);
  await context.close();
});
