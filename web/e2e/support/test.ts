import { test as base, expect } from '@playwright/test';
import type { BrowserContext, Page } from '@playwright/test';
import { Desktop } from './desktop';
import { Product, randomPassword } from './product';

/** What the API says about a session, as far as the tests look. */
export interface SessionInfo {
  readonly id: string;
  readonly name: string;
  readonly state: string;
}

/** Somebody who is signed in by cookie, as the page is. */
export class Person {
  readonly context: BrowserContext;
  readonly product: Product;
  #csrf = '';

  constructor(context: BrowserContext, product: Product) {
    this.context = context;
    this.product = product;
  }

  async signIn(username: string, password: string): Promise<void> {
    const login = await this.call<{ csrfToken: string }>('POST', '/auth/login', { username, password });
    this.#csrf = login.csrfToken;
  }

  async setUp(setupUrl: string, password: string): Promise<void> {
    const token = new URL(setupUrl).hash.replace('#token=', '');
    const login = await this.call<{ csrfToken: string }>('POST', '/auth/setup', { token, password });
    this.#csrf = login.csrfToken;
  }

  async call<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.context.request.fetch(`${this.product.url}/api/v1${path}`, {
      method,
      headers: { Origin: this.product.url, ...(this.#csrf && { 'X-CSRF-Token': this.#csrf }) },
      ...(body === undefined ? {} : { data: body }),
    });
    if (!answer.ok()) throw new Error(`${method} ${path}: ${answer.status()} ${await answer.text()}`);
    return (answer.status() === 204 ? undefined : await answer.json()) as T;
  }

  start(template: string): Promise<SessionInfo> {
    return this.call('POST', '/sessions', { template });
  }

  session(id: string): Promise<SessionInfo> {
    return this.call('GET', `/sessions/${id}`);
  }

  async sessions(): Promise<SessionInfo[]> {
    return (await this.call<{ items: SessionInfo[] }>('GET', '/sessions')).items;
  }

  async waitForState(id: string, state: string): Promise<void> {
    await expect
      .poll(async () => (await this.session(id)).state, { message: `${id} is ${state}`, timeout: 60_000 })
      .toBe(state);
  }

  async stopAll(): Promise<void> {
    for (const session of await this.sessions()) await this.call('DELETE', `/sessions/${session.id}`);
    await expect
      .poll(async () => (await this.sessions()).length, { message: 'every session is gone', timeout: 60_000 })
      .toBe(0);
  }
}

interface Fixtures {
  /** What the browser complained about: scripts, policies, unhandled errors. It must be nothing. */
  complaints: string[];
  /** The administrator, signed in in the page's own browser. */
  admin: Person;
  desktop: Desktop;
  /** A second person with a browser of their own. */
  grace: { person: Person; page: Page };
}

export const ADMIN_PASSWORD = randomPassword();
const GRACE_PASSWORD = randomPassword();

export const test = base.extend<Fixtures, { product: Product }>({
  product: [
    async ({}, use) => {
      const product = new Product({ password: ADMIN_PASSWORD });
      try {
        await product.start();
        await use(product);
      } finally {
        await product.dispose();
      }
    },
    { scope: 'worker', timeout: 120_000 },
  ],

  baseURL: async ({ product }, use) => use(product.url),

  complaints: [
    async ({ page }, use) => {
      const complaints: string[] = [];
      watch(page, complaints);
      await use(complaints);
      expect(complaints).toEqual([]);
    },
    { auto: true },
  ],

  admin: async ({ context, product }, use) => {
    const admin = new Person(context, product);
    await admin.signIn('admin', ADMIN_PASSWORD);
    await use(admin);
    await admin.signIn('admin', ADMIN_PASSWORD); // a test may have signed it out
    await admin.stopAll();
  },

  desktop: async ({ page }, use) => use(new Desktop(page)),

  grace: async ({ browser, product, admin }, use) => {
    const context = await browser.newContext({ baseURL: product.url });
    const person = new Person(context, product);
    const { items } = await admin.call<{ items: { username: string }[] }>('GET', '/users');
    if (items.some((user) => user.username === 'grace')) await person.signIn('grace', GRACE_PASSWORD);
    else {
      const made = await admin.call<{ setupUrl: string }>('POST', '/users', {
        username: 'grace',
        role: 'user',
      });
      await person.setUp(made.setupUrl, GRACE_PASSWORD);
    }
    await use({ person, page: await context.newPage() });
    await person.stopAll();
    await context.close();
  },
});

/** What is no mistake of the page: requests that a test breaks, and noVNC's word for bytes that a cut left behind. */
const EXPECTED = [
  /Failed to load resource/,
  /WebSocket connection to .* failed/,
  /^Got data while disconnected$/,
];

export function watch(page: Page, complaints: string[]): void {
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() !== 'error' || EXPECTED.some((pattern) => pattern.test(message.text()))) return;
    complaints.push(message.text());
  });
}

export { expect };
