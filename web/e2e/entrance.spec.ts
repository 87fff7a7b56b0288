import { Product, randomPassword } from './support/product';
import { ADMIN_PASSWORD, expect, test } from './support/test';

test('the first administrator signs in by the one-time link, then by password', async ({
  browser,
  complaints,
}) => {
  const product = new Product();
  const context = await browser.newContext();
  const page = await context.newPage();
  try {
    await product.start();
    const password = randomPassword();
    const link = new URL(product.setupLink());

    await page.goto(`${product.url}/`);
    await expect(page.getByText('one-time setup link')).toBeVisible();

    await page.goto(product.url + link.pathname + link.hash);
    await page.getByLabel('New password').fill(password);
    await page.getByLabel('The same again').fill(password);
    await page.getByRole('button', { name: 'Set the password and sign in' }).click();
    await expect(page.getByRole('heading', { name: 'Catalog' })).toBeVisible();
    expect(page.url()).not.toContain('token');

    await page.getByRole('button', { name: 'Your account' }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();

    await page.goto(product.url + link.pathname + link.hash);
    await page.getByLabel('New password').fill(password);
    await page.getByLabel('The same again').fill(password);
    await page.getByRole('button', { name: 'Set the password and sign in' }).click();
    await expect(page.getByText('used before or is too old')).toBeVisible();

    await page.goto(`${product.url}/profile`);
    await page.getByLabel('User name').fill('admin');
    await page.getByLabel('Password', { exact: false }).first().fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect(page.getByRole('heading', { name: 'Profile' })).toBeVisible();
    expect(complaints).toEqual([]);
    expect(product.output).not.toContain(password);
  } finally {
    await context.close();
    await product.dispose();
  }
});

test('a wrong password is refused in words, and the right one leads back', async ({ page, product }) => {
  expect(product.output).not.toContain('#token=');
  await page.goto('/sessions');
  await expect(page).toHaveURL(/\/signin\?next=%2Fsessions$/);
  await page.getByLabel('User name').fill('admin');
  await page.getByRole('textbox', { name: 'Password' }).fill('certainly wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByText('The credentials are not valid')).toBeVisible();
  await page.getByRole('textbox', { name: 'Password' }).fill(ADMIN_PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page).toHaveURL(/\/sessions$/);
  await expect(page.getByText('No desktop is running')).toBeVisible();
});

test('the page is served under a strict policy, and nothing comes from elsewhere', async ({
  page,
  product,
  admin,
}) => {
  expect(admin).toBeTruthy();
  const hosts = new Set<string>();
  page.on('request', (request) => hosts.add(new URL(request.url()).origin));
  const answer = await page.goto('/catalog');
  await expect(page.getByRole('heading', { name: 'Catalog' })).toBeVisible();
  const policy = answer?.headers()['content-security-policy'] ?? '';
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toContain('unsafe');
  expect([...hosts]).toEqual([product.url]);
  expect((await page.request.get('/assets/missing.js')).status()).toBe(404);
});
