import { API_BASE, transport } from './transport';
import type {
  ApiKey,
  AuditRecord,
  Connection,
  Home,
  Login,
  NewApiKey,
  Page,
  Role,
  Session,
  SignIn,
  Template,
  User,
} from './types';

async function request<T>(
  method: string,
  path: string,
  options: {
    body?: unknown;
    query?: Record<string, string | number | undefined>;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<T> {
  const url = new URL(API_BASE + path, window.location.origin);
  for (const [key, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined) url.searchParams.set(key, String(value));
  }
  const response = await transport.fetch(
    new Request(url, {
      method,
      signal: options.signal ?? null,
      ...(options.body === undefined
        ? {}
        : { body: JSON.stringify(options.body), headers: { 'Content-Type': 'application/json' } }),
    }),
  );
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export interface SessionChange {
  name?: string;
  desiredState?: 'running' | 'hibernated';
  idleTimeoutSeconds?: number;
}
export interface NewUser {
  username: string;
  displayName?: string;
  role: Role;
  password?: string;
}

export const api = {
  setupRequired: () => request<{ required: boolean }>('GET', '/auth/setup'),
  setup: (token: string, password: string) =>
    request<Login>('POST', '/auth/setup', { body: { token, password } }),
  signIn: (username: string, password: string) =>
    request<Login>('POST', '/auth/login', { body: { username, password } }),
  login: () => request<Login>('GET', '/auth/login'),
  signOut: () => request<undefined>('POST', '/auth/logout'),
  signIns: () => request<Page<SignIn>>('GET', '/auth/logins'),
  revokeSignIn: (id: string) => request<undefined>('DELETE', `/auth/logins/${id}`),
  rename: (displayName: string) => request<User>('PATCH', '/me', { body: { displayName } }),
  changePassword: (currentPassword: string, newPassword: string) =>
    request<undefined>('POST', '/me/password', { body: { currentPassword, newPassword } }),
  apiKeys: () => request<Page<ApiKey>>('GET', '/api-keys'),
  createApiKey: (name: string, expiresInDays?: number) =>
    request<NewApiKey>('POST', '/api-keys', { body: { name, expiresInDays } }),
  deleteApiKey: (id: string) => request<undefined>('DELETE', `/api-keys/${id}`),
  users: (cursor?: string) => request<Page<User>>('GET', '/users', { query: { cursor, limit: 50 } }),
  createUser: (user: NewUser) => request<{ user: User; setupUrl?: string }>('POST', '/users', { body: user }),
  changeUser: (id: string, change: { displayName?: string; role?: Role; disabled?: boolean }) =>
    request<User>('PATCH', `/users/${id}`, { body: change }),
  deleteUser: (id: string) => request<undefined>('DELETE', `/users/${id}`),
  setupLink: (id: string) =>
    request<{ setupUrl: string; expiresAt: string }>('POST', `/users/${id}/setup-link`),
  templates: () => request<Page<Template>>('GET', '/templates'),
  sessions: (scope: 'mine' | 'all', cursor?: string) =>
    request<Page<Session>>('GET', '/sessions', { query: { scope, cursor, limit: 100 } }),
  session: (id: string) => request<Session>('GET', `/sessions/${id}`),
  createSession: (session: { template: string; name?: string; home?: string }) =>
    request<Session>('POST', '/sessions', { body: session }),
  changeSession: (id: string, change: SessionChange) =>
    request<Session>('PATCH', `/sessions/${id}`, { body: change }),
  stopSession: (id: string) => request<Session>('DELETE', `/sessions/${id}`),
  connect: (id: string, permissions: readonly string[] | null, signal: AbortSignal) =>
    request<Connection>('POST', `/sessions/${id}/connect`, {
      body: { transport: 'websocket', ...(permissions && { permissions }) },
      signal,
    }),
  homes: () => request<Page<Home>>('GET', '/homes'),
  deleteHome: (id: string) => request<undefined>('DELETE', `/homes/${id}`),
  audit: (cursor?: string, action?: string) =>
    request<Page<AuditRecord>>('GET', '/audit', { query: { cursor, action, limit: 50 } }),
  version: () => request<{ version: string; commit: string }>('GET', '/version'),
};
