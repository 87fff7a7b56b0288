import { expect, test } from './support/test';

const BLOCK = { red: 18, green: 52, blue: 186 };

test('a film comes as H.264 by WebSocket, and the desktop goes on after it', async ({
  page,
  admin,
  desktop,
  product,
}) => {
  await page.addInitScript(() =>
    localStorage.setItem('streamspace.viewer', JSON.stringify({ scale: 'fit', transport: 'websocket' })),
  );
  const session = await admin.start('terminal');
  await page.goto(`/sessions/${session.id}`);
  await desktop.waitUntilLive();
  await desktop.type(
    'clear; while :; do printf "\\033[H"; head -c 6000 /dev/urandom | base64 -w 0; sleep 0.02; done',
  );
  await expect
    .poll(async () => (await page.request.get(`${product.url}/metrics`)).text(), {
      message: 'the viewer is one of those with films as video',
      timeout: 90_000,
    })
    .toMatch(/hub_viewers\{class="h264[^}]*\} 1/);
  await page.keyboard.press('Control+c');
  await desktop.typeAndShow('clear; echo over', BLOCK);
  await desktop.waitForColour(BLOCK);
});
