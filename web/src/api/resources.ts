import createClient from 'openapi-fetch';
import type { Permission } from '../stream/ticket';
import type { paths } from './schema';
import { API_BASE, transport } from './transport';
import type { NewUser, SessionChange, UserChange } from './types';

const client = createClient<paths>({
  baseUrl: new URL(API_BASE, window.location.origin).href,
  fetch: transport.fetch,
});

/** How many rows of a long list come at once. */
const PAGE = 50;

/** The most sessions a list asks for; nobody has that many running, and the API allows no more. */
const ALL_SESSIONS = 100;

/** The transport throws a Problem for everything but success, so that what arrives here has its data. */
async function answer<T>(call: Promise<{ data?: T }>): Promise<NonNullable<T>> {
  const { data } = await call;
  if (data === undefined || data === null) throw new Error('the server answered without a body');
  return data;
}

async function done(call: Promise<unknown>): Promise<void> {
  await call;
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

  sessions: (scope: 'mine' | 'all') =>
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
