import { expect, test } from './support/test';

const BLOCK = { red: 18, green: 52, blue: 86 };
const YES = { red: 1, green: 200, blue: 3 };

test.describe('a terminal', () => {
  test.beforeEach(async ({ page, admin, desktop }) => {
    expect(admin).toBeTruthy();
    await page.goto('/catalog');
    await page.getByRole('button', { name: 'Start Terminal' }).click();
    await expect(page).toHaveURL(/\/sessions\/ses_/);
    await desktop.waitUntilLive();
    await desktop.waitUntilStill();
    await expect(page.getByText('Terminal is ready')).toHaveCount(0); // one sees that it is
  });

  test('takes keys: what is typed appears, in the colour that was asked for', async ({ desktop }) => {
    const empty = await desktop.fingerprint();
    await desktop.page.keyboard.type('echo', { delay: 20 });
    await expect.poll(() => desktop.fingerprint(), { message: 'typing changes pixels' }).not.toBe(empty);
    await desktop.type(' typed here');
    expect((await desktop.find(BLOCK)).count).toBe(0);
    await desktop.typeAndShow('true', BLOCK);
    const box = await desktop.waitForColour(BLOCK);
    // Ten cells of one line, at the left edge, below the two lines before it.
    expect(box.x).toBeLessThan(20);
    expect(box.y).toBeGreaterThan(30);
    expect(box.width).toBeGreaterThan(60);
    expect(box.height).toBeLessThan(30);
    expect((await desktop.find(BLOCK)).count).toBeGreaterThan(0.95 * box.width * box.height); // one solid block
  });

  test('takes the mouse: a double click selects a word right there', async ({ desktop }) => {
    await desktop.typeAndShow('clear; echo selected', BLOCK);
    const block = await desktop.waitForColour(BLOCK);
    await desktop.waitUntilStill();
    const word = { x: block.x, y: block.y - block.height, width: block.width / 2, height: block.height };
    const elsewhere = { ...word, y: block.y + 8 * block.height };
    const [before, far] = [await desktop.fingerprint(word), await desktop.fingerprint(elsewhere)];
    await desktop.click(word.x + word.width / 2, word.y + word.height / 2, { clickCount: 2 });
    await expect
      .poll(() => desktop.fingerprint(word), { message: 'the word is highlighted' })
      .not.toBe(before);
    expect(await desktop.fingerprint(elsewhere)).toBe(far);
  });

  test('follows the size of the window', async ({ page, desktop }) => {
    for (const size of [
      { width: 900, height: 640 },
      { width: 1400, height: 820 },
    ]) {
      await page.setViewportSize(size);
      await expect
        .poll(() => desktop.size(), { message: 'the desktop takes the size of the window' })
        .toEqual(size);
    }
    await desktop.waitUntilStill();
    // The application, which fills the desktop, reaches the new corner too.
    const corner = await page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('[data-phase] canvas');
      return [
        ...(canvas?.getContext('2d')?.getImageData(canvas.width - 40, canvas.height - 60, 1, 1).data ?? []),
      ];
    });
    expect(corner.slice(0, 3)).toEqual([0x10, 0x14, 0x1c]);
  });

  test('fits, or shows its actual size, when asked to', async ({ page, desktop }) => {
    const before = await desktop.size();
    await page.mouse.move(640, 2);
    await page.getByRole('button', { name: 'Display and quality' }).click();
    await page.getByRole('radio', { name: /Fit/ }).click();
    await page.keyboard.press('Escape');
    await page.setViewportSize({ width: 800, height: 600 });
    const canvas = page.locator('[data-phase] canvas');
    await expect.poll(async () => (await canvas.boundingBox())?.width).toBeLessThanOrEqual(800);
    expect(await desktop.size()).toEqual(before);
    await page.mouse.move(400, 2);
    await page.getByRole('button', { name: 'Display and quality' }).click();
    await page.getByRole('radio', { name: /Actual size/ }).click();
    await expect.poll(async () => (await canvas.boundingBox())?.width).toBe(before.width);
  });

  test('shares the clipboard in both directions', async ({ page, context, desktop }) => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.reload();
    await desktop.waitUntilLive();
    await desktop.waitUntilStill();

    const inward = 'from this computer: ä € 漢';
    await page.evaluate((text) => navigator.clipboard.writeText(text), inward);
    await page.evaluate(() => window.dispatchEvent(new Event('focus')));
    await desktop.waitUntilStill();
    // Typed as octal escapes, for the keyboard layout need not have these characters.
    const octal = [...Buffer.from(inward)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
    await desktop.typeAndShow(`[ "$(xclip -o -selection clipboard)" = "$(printf '${octal}')" ]`, YES);
    await desktop.waitForColour(YES);

    await desktop.type("printf 'from the desktop: \\303\\266' | xclip -selection clipboard");
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('from the desktop: ö');
  });

  test('shares the clipboard through the panel where the browser does not', async ({ page, desktop }) => {
    await page.mouse.move(640, 2);
    await page.getByRole('button', { name: 'Clipboard' }).click();
    await page.getByLabel('To the desktop').fill('by hand');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.keyboard.press('Escape');
    await expect(page.locator('[data-phase] canvas')).toBeFocused(); // and one goes on typing where one was
    await desktop.typeAndShow('[ "$(xclip -o -selection clipboard)" = "by hand" ]', YES);
    await desktop.waitForColour(YES);

    await desktop.type("printf 'out by hand' | xclip -selection clipboard");
    await page.mouse.move(640, 2);
    await page.getByRole('button', { name: /^Clipboard/ }).click();
    await expect(page.getByLabel('From the desktop')).toHaveValue('out by hand');
  });

  test('is still there after leaving and coming back', async ({ page, desktop }) => {
    await desktop.typeAndShow('clear; echo still here', BLOCK);
    const block = await desktop.waitForColour(BLOCK);
    await desktop.waitUntilStill();
    const written = { x: 0, y: block.y - block.height, width: 400, height: 2 * block.height };
    const before = await desktop.pixels(written);
    await page.mouse.move(640, 2);
    await page.getByRole('link', { name: 'Back to my sessions' }).click();
    await expect(page.getByRole('article', { name: 'Terminal' })).toContainText('Running');
    await page.getByRole('link', { name: 'Open', exact: true }).click();
    await desktop.waitUntilLive();
    await desktop.waitForPixels(written, before);
  });

  test('is gone when it is stopped, and its home folder stays', async ({ page, product, desktop }) => {
    await desktop.typeAndShow('echo kept > ~/kept-by-e2e', BLOCK);
    await desktop.waitForColour(BLOCK);
    await page.goto('/sessions');
    await page.getByRole('button', { name: 'More for Terminal' }).click();
    await page.getByRole('menuitem', { name: 'Stop' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click();
    await expect(page.getByText('No desktop is running')).toBeVisible({ timeout: 40_000 });
    expect(product.findFile('kept-by-e2e')).toHaveLength(1);

    await page.goto('/catalog');
    await page.getByRole('button', { name: 'Start Terminal' }).click();
    await desktop.waitUntilLive();
    await desktop.waitUntilStill();
    await desktop.typeAndShow('[ "$(cat ~/kept-by-e2e)" = kept ]', YES);
    await desktop.waitForColour(YES);
  });

  test('sleeps, and wakes on the page that opens it', async ({ page, admin, desktop }) => {
    const id = new URL(page.url()).pathname.split('/').pop() ?? '';
    await admin.call('PATCH', `/sessions/${id}`, { desiredState: 'hibernated' });
    await expect(page.getByRole('heading', { name: 'This session is asleep' })).toBeVisible({
      timeout: 40_000,
    });
    await admin.waitForState(id, 'hibernated');

    await page.goto('/sessions');
    await expect(page.getByRole('article', { name: 'Terminal' })).toContainText('Asleep');
    await page.getByRole('link', { name: 'Wake and open' }).click();
    await expect(page.getByRole('listitem').filter({ hasText: 'Starting the desktop' })).toBeVisible();
    await desktop.waitUntilLive();
    expect(page.url()).toContain(id);
    await desktop.waitUntilStill();
    await desktop.typeAndShow('true', BLOCK);
    await desktop.waitForColour(BLOCK);
  });

  test('says how quick the connection is, measured on the stream', async ({ page, desktop }) => {
    await page.mouse.move(640, 2);
    await expect(
      page.getByRole('button', { name: /^Connection: (Excellent|Good|Fair|Poor), \d+ ms$/ }),
    ).toBeVisible();
    await page.getByRole('button', { name: /^Connection/ }).click();
    await expect(page.getByRole('dialog', { name: 'Connection' })).toContainText(
      'a mark goes through the stream to the desktop and back',
    );
    await page.getByRole('button', { name: 'Connect anew' }).click();
    await desktop.waitUntilLive();
  });

  test('gives the keyboard back: Control, Alt and Shift lead to the toolbar', async ({ page, desktop }) => {
    await page.keyboard.down('Control');
    await page.keyboard.down('Alt');
    await page.keyboard.down('Shift');
    for (const key of ['Shift', 'Alt', 'Control']) await page.keyboard.up(key);
    await expect(page.getByRole('link', { name: 'Back to my sessions' })).toBeFocused();
    await page.keyboard.press('ArrowRight');
    await expect(page.getByRole('button', { name: /^Connection/ })).toBeFocused();
    await desktop.stage.locator('canvas').click({ position: { x: 300, y: 300 } });
    await desktop.typeAndShow('true', BLOCK);
    await desktop.waitForColour(BLOCK); // and no modifier hangs inside the desktop
  });
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  test('a desktop fits the screen and takes the on-screen keyboard', async ({ page, admin, desktop }) => {
    expect(admin).toBeTruthy();
    await page.goto('/catalog');
    await page.getByRole('button', { name: 'Start Terminal' }).tap();
    await desktop.waitUntilLive();
    await expect.poll(() => desktop.size()).toEqual({ width: 390, height: 844 });
    await desktop.waitUntilStill();
    const show = page.getByRole('button', { name: 'Show the toolbar' });
    if (await show.isVisible()) await show.tap();
    await page.getByRole('button', { name: 'On-screen keyboard' }).tap();
    const field = page.getByLabel('Keyboard input for the desktop');
    await expect(field).toBeFocused();
    // As a keyboard of a phone does it: text, not keys.
    await page.keyboard.insertText("printf '\\033[48;2;18;52;86m          \\033[0m'\n");
    await desktop.waitForColour(BLOCK);
    const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(scrollWidth).toBeLessThanOrEqual(390);
  });
});
