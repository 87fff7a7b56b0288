import { defineConfig } from '@playwright/test';
import { chromium } from './support/chromium';

/** Pictures of every page, light and dark, on a phone and on a desk, to look at: `npm run shots`. */
export default defineConfig({
  testDir: '.',
  testMatch: 'shots.ts',
  outputDir: '../test-results/shots',
  workers: 1,
  reporter: 'line',
  use: { ...chromium, baseURL: 'http://127.0.0.1:4173', bypassCSP: true },
  webServer: {
    command: 'npx vite preview --host 127.0.0.1 --port 4173',
    url: 'http://127.0.0.1:4173',
    cwd: '..',
    reuseExistingServer: false,
  },
});
