import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vite';

// Where `npm run dev` finds a running `streamspace up`.
const backend = process.env.DEV_BACKEND ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react(), precompress()],
  // A page under a strict CSP may not load data: URLs as scripts or fonts.
  build: {
    assetsInlineLimit: 0,
    target: 'es2022',
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // Few, long-lived files: what changes with a release, what changes with a library, and what only the viewer needs.
        codeSplitting: {
          groups: [
            { name: 'novnc', test: /node_modules\/@novnc/ },
            { name: 'react', test: /node_modules\/(react|react-dom|react-router|scheduler|@tanstack)\// },
            { name: 'mui', test: /node_modules\/(@mui|@emotion|@popperjs|react-transition-group|stylis)/ },
            {
              name: 'app',
              test: /\/src\/(api|auth|brand|events|notify|sessions|shell|theme|ui)\/|lucide-react/,
            },
          ],
        },
      },
    },
  },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/api': { target: backend, ws: true, secure: false },
      '/stream': { target: backend, ws: true, secure: false },
    },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/testing/setup.ts'],
    restoreMocks: true,
    testTimeout: 20_000, // a busy machine with two cores
  },
});

// precompress writes .br and .gz beside every asset that gains from it, so
// that the Go handler serves them without spending CPU at run time.
function precompress(): Plugin {
  return {
    name: 'precompress',
    apply: 'build',
    closeBundle() {
      const folder = join(import.meta.dirname, 'dist', 'assets');
      for (const name of readdirSync(folder)) {
        if (!/\.(js|css|svg)$/.test(name)) continue;
        const content = readFileSync(join(folder, name));
        const brotli = brotliCompressSync(content, {
          params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY },
        });
        if (brotli.length < content.length * 0.9) {
          writeFileSync(join(folder, `${name}.br`), brotli);
          writeFileSync(join(folder, `${name}.gz`), gzipSync(content, { level: 9 }));
        }
      }
    },
  };
}
