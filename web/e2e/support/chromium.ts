import { existsSync } from 'node:fs';

const installed = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);

/** How the tests start a browser: the machine's own, quiet, and without its sandbox where it would refuse to run as root. */
export const chromium = {
  browserName: 'chromium' as const,
  launchOptions: {
    ...(installed && { executablePath: process.env.E2E_CHROMIUM ?? installed }),
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  },
};
