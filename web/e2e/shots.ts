import { mkdirSync } from 'node:fs';
import { test } from '@playwright/test';
import type { Page } from '@playwright/test';
import * as mock from './mock-data';

const folder = process.env.SHOTS ?? 'test-results/shots';
mkdirSync(folder, { recursive: true });

const SIZES = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

const PAGES: [string, string, ((page: Page) => Promise<void>)?][] = [
  ['catalog', '/catalog'],
  ['sessions', '/sessions'],
  ['profile', '/profile'],
  ['admin-users', '/admin/users'],
  ['admin-sessions', '/admin/sessions'],
  ['admin-audit', '/admin/audit'],
  ['viewer-starting', `/sessions/${mock.sessions[1]?.id}`],
  ['viewer-failed', `/sessions/${mock.sessions[3]?.id}`],
  ['not-found', '/sessions/ses_nothing'],
  [
    'confirm',
    '/sessions',
    async (page) => {
      await page.getByRole('button', { name: 'More for Terminal' }).click();
      await page.getByRole('menuitem', { name: 'Stop' }).click();
    },
  ],
  [
    'new-user',
    '/admin/users',
    async (page) => {
      await page.getByRole('button', { name: 'New user' }).click();
    },
  ],
];

async function answer(page: Page, signedIn: boolean): Promise<void> {
  const list = (items: unknown) => ({ json: { items } });
  await page.route('**/api/v1/**', async (route) => {
    const url = new URL(route.request().url());
    const path = url.pathname.replace('/api/v1', '');
    const one = mock.allSessions.find((session) => path === `/sessions/${session.id}`);
    if (path === '/auth/login') {
      return signedIn
        ? route.fulfill({ json: { user: mock.ada, csrfToken: 'x', expiresAt: '2027-01-01T00:00:00Z' } })
        : route.fulfill({ status: 401, json: { title: 'Unauthorized', code: 'unauthenticated' } });
    }
    if (path === '/auth/setup') return route.fulfill({ json: { required: false } });
    if (path === '/templates') return route.fulfill(list(mock.templates));
    if (path === '/sessions')
      return route.fulfill(list(url.searchParams.get('scope') === 'all' ? mock.allSessions : mock.sessions));
    if (one) return route.fulfill({ json: one });
    if (path.endsWith('/connect')) return undefined; // for ever on its way
    if (path === '/users') return route.fulfill(list(mock.users));
    if (path === '/auth/logins') return route.fulfill(list(mock.logins));
    if (path === '/api-keys') return route.fulfill(list(mock.apiKeys));
    if (path === '/homes') return route.fulfill(list(mock.homes));
    if (path === '/audit') return route.fulfill(list(mock.audit));
    return route.fulfill({
      status: 404,
      json: { title: 'Not Found', detail: 'there is nothing here', code: 'not_found', requestId: 'req_77' },
    });
  });
  await page.routeWebSocket('**/api/v1/events*', (socket) => {
    socket.send(JSON.stringify({ id: 7, type: 'hello', at: '2026-11-23T10:00:00Z' }));
  });
}

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test.describe(`${size} ${colorScheme}`, () => {
      test.use({ viewport, colorScheme, hasTouch: size === 'phone', isMobile: size === 'phone' });
      test.beforeEach(({ page }) => page.clock.setFixedTime(mock.NOW));

      for (const [name, path, act] of PAGES) {
        test(name, async ({ page }) => {
          await answer(page, true);
          await page.goto(path);
          await page.waitForTimeout(700);
          await act?.(page);
          await page.waitForTimeout(400);
          await page.screenshot({
            path: `${folder}/${name}-${size}-${colorScheme}.png`,
            fullPage: !path.startsWith('/sessions/') && !act,
          });
        });
      }
      for (const [name, path] of [
        ['signin', '/signin?next=%2Fsessions'],
        ['setup', '/setup#token=abc'],
      ] as const) {
        test(name, async ({ page }) => {
          await answer(page, false);
          await page.goto(path);
          await page.waitForTimeout(700);
          await page.screenshot({ path: `${folder}/${name}-${size}-${colorScheme}.png` });
        });
      }
    });
  }
}
