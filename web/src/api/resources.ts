import createClient from 'openapi-fetch';
import type { Permission } from '../stream/ticket';
import type { paths } from './schema';
import { API_BASE, Problem, transport } from './transport';
import type { Scope } from './keys';
import type { NewUser, SessionChange, ShareWish, UserChange } from './types';

const client = createClient<paths>({
  baseUrl: new URL(API_BASE, window.location.origin).href,
  fetch: transport.fetch,
});

/** How many rows of a long list come at once. */
const PAGE = 50;

/** The most sessions a list asks for; nobody has that many running, and the API allows no more. */
const ALL_SESSIONS = 100;

/** The most shares that are listed: the API allows no more in one answer. */
const ALL_SHARES = 100;

/** The transport throws a Problem for everything but success, so that what arrives here has its data. */
async function answer<T>(call: Promise<{ data?: T }>): Promise<NonNullable<T>> {
  const { data } = await call;
  if (data === undefined || data === null) throw new Error('the server answered without a body');
  return data;
}

async function done(call: Promise<unknown>): Promise<void> {
  await call;
}

/** A picture as an image's address that needs no freeing. */
function dataURL(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new Error('the picture cannot be read'));
    reader.readAsDataURL(blob);
  });
}

const one = (id: string) => ({ params: { path: { id } } });

/** Everything the pages ask of the server, one function for each. */
export const api = {
  setupRequired: () => answer(client.GET('/auth/setup')),
  setup: (token: string, password: string) =>
    answer(client.POST('/auth/setup', { body: { token, password } })),
  signIn: (username: string, password: string) =>
    answer(client.POST('/auth/login', { body: { username, password } })),
  login: () => answer(client.GET('/auth/login')),
  signOut: () => done(client.POST('/auth/logout')),
  signIns: () => answer(client.GET('/auth/logins')),
  revokeSignIn: (id: string) => done(client.DELETE('/auth/logins/{id}', one(id))),

  rename: (displayName: string) => answer(client.PATCH('/me', { body: { displayName } })),
  changePassword: (currentPassword: string, newPassword: string) =>
    done(client.POST('/me/password', { body: { currentPassword, newPassword } })),

  apiKeys: () => answer(client.GET('/api-keys')),
  createApiKey: (name: string, expiresInDays: number | undefined) =>
    answer(client.POST('/api-keys', { body: { name, ...(expiresInDays && { expiresInDays }) } })),
  deleteApiKey: (id: string) => done(client.DELETE('/api-keys/{id}', one(id))),

  users: (cursor: string | undefined) =>
    answer(client.GET('/users', { params: { query: { limit: PAGE, ...(cursor && { cursor }) } } })),
  createUser: (body: NewUser) => answer(client.POST('/users', { body })),
  changeUser: (id: string, body: UserChange) => answer(client.PATCH('/users/{id}', { ...one(id), body })),
  deleteUser: (id: string) => done(client.DELETE('/users/{id}', one(id))),
  setupLink: (id: string) => answer(client.POST('/users/{id}/setup-link', one(id))),

  templates: () => answer(client.GET('/templates')),

  sessions: (scope: Scope) =>
    answer(client.GET('/sessions', { params: { query: { scope, limit: ALL_SESSIONS } } })),
  session: (id: string) => answer(client.GET('/sessions/{id}', one(id))),
  /** `key` makes a repeated request the same one: a click starts one desktop, however often it is sent. */
  createSession: ({ template, key }: { template: string; key: string }) =>
    answer(client.POST('/sessions', { body: { template }, params: { header: { 'Idempotency-Key': key } } })),
  changeSession: (id: string, body: SessionChange) =>
    answer(client.PATCH('/sessions/{id}', { ...one(id), body })),
  stopSession: (id: string) => answer(client.DELETE('/sessions/{id}', one(id))),
  connect: (id: string, permissions: readonly Permission[] | null, signal: AbortSignal) =>
    answer(
      client.POST('/sessions/{id}/connect', {
        ...one(id),
        body: { transport: 'websocket', ...(permissions && { permissions: [...permissions] }) },
        signal,
      }),
    ),

  shares: (session: string) =>
    answer(
      client.GET('/sessions/{id}/shares', {
        params: { path: { id: session }, query: { limit: ALL_SHARES } },
      }),
    ),
  share: (session: string, body: ShareWish) =>
    answer(client.POST('/sessions/{id}/shares', { ...one(session), body })),
  changeShare: (session: string, share: string, permissions: Permission[]) =>
    answer(
      client.PATCH('/sessions/{id}/shares/{share}', {
        params: { path: { id: session, share } },
        body: { permissions },
      }),
    ),
  endShare: (session: string, share: string) =>
    done(client.DELETE('/sessions/{id}/shares/{share}', { params: { path: { id: session, share } } })),
  /** Comes in with a link, without an account. */
  join: (token: string, name: string, signal?: AbortSignal) =>
    answer(client.POST('/join', { body: { token, name }, ...(signal && { signal }) })),
  /** The small picture of a session, for an image's address; null while there is none. */
  thumbnail: async (session: string): Promise<string | null> => {
    try {
      const request = new Request(`${API_BASE}/sessions/${session}/thumbnail`);
      return await dataURL(await (await transport.fetch(request)).blob());
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return null;
      throw error;
    }
  },

  homes: () => answer(client.GET('/homes')),
  deleteHome: (id: string) => done(client.DELETE('/homes/{id}', one(id))),

  audit: (cursor: string | undefined, action: string | undefined) =>
    answer(
      client.GET('/audit', {
        params: { query: { limit: PAGE, ...(cursor && { cursor }), ...(action && { action }) } },
      }),
    ),
  version: () => answer(client.GET('/version')),
};
