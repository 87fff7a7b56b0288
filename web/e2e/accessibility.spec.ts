import axe from 'axe-core';
import type { Page } from '@playwright/test';
import { expect, test } from './support/test';

/** The mistakes that axe finds, contrast included, in words. */
async function mistakesOn(page: Page): Promise<string[]> {
  // Evaluated through the debugger, which the page's policy does not bind.
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run();
    return violations.flatMap((violation) =>
      violation.nodes.map((node) => `${violation.id}: ${node.html.slice(0, 160)}`),
    );
  });
}

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(colorScheme, () => {
    test.use({ colorScheme, contextOptions: { reducedMotion: 'reduce' } });

    test('every page is accessible', async ({ page, admin, desktop }) => {
      await page.goto('/signin');
      await expect(page.getByRole('heading', { name: 'Catalog' })).toBeVisible(); // signed in already
      const session = await admin.start('terminal');
      await admin.waitForState(session.id, 'running');
      for (const [path, ready] of [
        ['/catalog', 'Start Terminal'],
        ['/sessions', 'More for Terminal'],
        ['/profile', 'New key'],
        ['/admin/users', 'New user'],
        ['/admin/sessions', 'Stop Terminal of admin'],
      ] as const) {
        await page.goto(path);
        await expect(page.getByRole('button', { name: ready })).toBeVisible();
        expect(await mistakesOn(page), path).toEqual([]);
      }
      await page.goto('/admin/audit');
      await expect(page.getByRole('row').nth(1)).toBeVisible();
      expect(await mistakesOn(page), '/admin/audit').toEqual([]);

      await page.goto(`/sessions/${session.id}`);
      await desktop.waitUntilLive();
      await page.mouse.move(640, 2);
      await page.getByRole('button', { name: 'Special keys' }).click();
      await expect(page.getByRole('button', { name: 'F12' })).toBeVisible();
      expect(await mistakesOn(page), 'viewer').toEqual([]);
    });

    test('so is the entrance', async ({ page }) => {
      await page.goto('/signin');
      await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
      expect(await mistakesOn(page)).toEqual([]);
      await page.goto('/setup#token=none');
      await expect(page.getByRole('heading', { name: 'Welcome' })).toBeVisible();
      expect(await mistakesOn(page)).toEqual([]);
    });
  });
}
