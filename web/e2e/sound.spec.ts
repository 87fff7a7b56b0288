import type { Page } from '@playwright/test';
import { freePacketPort } from './support/packets';
import { chromium } from './support/chromium';
import { locate, photograph } from './support/picture';
import { Product } from './support/product';
import { ADMIN_PASSWORD, expect, test as base } from './support/test';

/** The product with WebRTC, and a browser with a microphone that beeps. */
const test = base.extend<object, { product: Product }>({
  product: [
    async ({}, use) => {
      const flags = ['--webrtc-listen', `127.0.0.1:${await freePacketPort()}`];
      const product = new Product({ password: ADMIN_PASSWORD, flags });
      try {
        await product.start();
        await use(product);
      } finally {
        await product.dispose();
      }
    },
    { scope: 'worker', timeout: 120_000 },
  ],
});
const { launchOptions } = chromium;
test.use({
  launchOptions: {
    ...launchOptions,
    args: [
      ...(launchOptions.args ?? []),
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
    ],
  },
});

/** A tone of 440 Hz for a minute, made and played in the desktop. */
const TONE =
  `perl -e '$|=1; for $s (0..59) { print pack("s<*", map { 12000*sin(6.283185307*440*$_/48000) } 0..47999) }'` +
  ` | pacat --rate=48000 --channels=1 --format=s16le`;

/** What the desktop hears for two seconds: how many samples are loud. */
const LISTEN =
  `parec --rate=48000 --channels=1 --format=s16le | head -c 192000` +
  ` | perl -e 'local $/; $n = grep { abs > 1000 } unpack "s<*", <STDIN>; exit($n < 1000)'`;

/** Notes what the page plays, whichever way. */
async function eavesdrop(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const heard = { analysers: [] as AnalyserNode[] };
    Object.assign(window, { heard });
    const tap = (source: AudioNode) => {
      const analyser = new AnalyserNode(source.context, { fftSize: 8192 });
      plain.call(source, analyser);
      heard.analysers.push(analyser);
    };
    const plain = AudioNode.prototype.connect as (this: AudioNode, to: AudioNode) => AudioNode;
    AudioNode.prototype.connect = function (this: AudioNode, to: AudioNode) {
      if (to instanceof AudioDestinationNode) tap(this);
      return plain.call(this, to);
    } as typeof AudioNode.prototype.connect;
    // What would make a voice of the fake microphone's beeps makes nothing of them.
    const devices = navigator.mediaDevices;
    const ask = devices.getUserMedia.bind(devices);
    const bare = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    devices.getUserMedia = () => ask({ audio: bare });
    const play = HTMLMediaElement.prototype.play;
    HTMLMediaElement.prototype.play = function () {
      if (this instanceof HTMLAudioElement && this.srcObject instanceof MediaStream)
        tap(new AudioContext().createMediaStreamSource(this.srcObject));
      return play.call(this);
    };
  });
}

/** The loudest frequency of what was played last, in hertz; 0 for silence. */
function pitch(page: Page): Promise<number> {
  return page.evaluate(() => {
    const { analysers } = (window as unknown as { heard: { analysers: AnalyserNode[] } }).heard;
    const analyser = analysers.at(-1);
    if (!analyser) return 0;
    const levels = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(levels);
    const loudest = levels.indexOf(Math.max(...levels));
    return (levels[loudest] ?? -200) < -60 ? 0 : (loudest * analyser.context.sampleRate) / analyser.fftSize;
  });
}

async function openSound(page: Page): Promise<void> {
  await page.mouse.move(640, 300);
  await page.mouse.move(640, 2);
  await page.getByRole('button', { name: /^Sound/ }).click();
}

async function closePanel(page: Page): Promise<void> {
  await page.keyboard.press('Escape');
  await expect(page.locator('[data-phase] canvas:not([data-frozen])')).toBeFocused();
}

for (const [name, transport] of [
  ['WebRTC', 'auto'],
  ['WebSocket', 'websocket'],
] as const) {
  test(`the desktop is heard by ${name} once somebody wants that, and hears them`, async ({
    page,
    admin,
    desktop,
  }) => {
    await eavesdrop(page);
    await page.addInitScript(
      (way) => localStorage.setItem('streamspace.viewer', JSON.stringify({ transport: way })),
      transport,
    );
    const session = await admin.start('terminal');
    await page.goto(`/sessions/${session.id}`);
    await desktop.waitUntilLive();
    if (transport === 'auto')
      await expect(page.locator('[data-phase=connected] video[data-shown]')).toBeVisible({ timeout: 60_000 });
    await desktop.type(`(${TONE}) &`);
    expect(await pitch(page)).toBe(0); // muted until a person acts

    await openSound(page);
    await expect(page.getByRole('switch', { name: 'Hear the desktop' })).toBeChecked();
    await expect.poll(() => pitch(page), { timeout: 60_000, message: 'the pitch' }).toBeGreaterThan(430);
    expect(await pitch(page)).toBeLessThan(450);
    await page.getByRole('slider', { name: 'Volume' }).fill('30');
    await page.getByRole('switch', { name: 'Hear the desktop' }).click();
    await closePanel(page);
    await expect(page.getByRole('button', { name: 'Sound: off' })).toBeAttached();

    // The desktop hears the viewer when that is switched on.
    await desktop.type('clear; kill %1');
    await openSound(page);
    await page.getByRole('switch', { name: 'My microphone' }).click();
    await expect(page.getByText('Programs in the desktop hear you now.')).toBeVisible({ timeout: 30_000 });
    await closePanel(page);
    const colour = { red: 18, green: 52, blue: 186 };
    await desktop.typeAndShow(`until ${LISTEN}; do :; done`, colour);
    await expect
      .poll(async () => locate(await photograph(page), colour).count, { timeout: 60_000 })
      .toBeGreaterThan(100);
    await openSound(page);
    await page.getByRole('switch', { name: /^My microphone/ }).click();
    await expect(page.getByText('Programs in the desktop hear you now.')).toBeHidden();
    await closePanel(page);
  });
}
