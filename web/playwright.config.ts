import { defineConfig } from '@playwright/test';
import { chromium } from './e2e/support/chromium';

/** The real product in a real browser: `make build`, then `npm run e2e`. */
export default defineConfig({
  testDir: 'e2e',
  testMatch: '*.spec.ts',
  outputDir: 'test-results',
  workers: 1, // one product, one browser: the machine has two cores
  timeout: 120_000,
  expect: { timeout: 15_000 },
  forbidOnly: Boolean(process.env.CI),
  retries: process.env.CI ? 1 : 0, // a machine that stalls for a moment is no finding; a retry is shown as flaky
  reporter: [['list']],
  use: {
    ...chromium,
    viewport: { width: 1280, height: 800 },
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
  },
});
