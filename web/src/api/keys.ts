/** Whose sessions a list has. */
export type Scope = 'mine' | 'shared' | 'all';

/** The names under which answers are cached. */
export const keys = {
  login: ['login'] as const,
  signIns: ['sign-ins'] as const,
  apiKeys: ['api-keys'] as const,
  users: ['users'] as const,
  templates: ['templates'] as const,
  sessions: (scope: Scope) => ['sessions', scope] as const,
  session: (id: string) => ['session', id] as const,
  shares: (session: string) => ['shares', session] as const,
  thumbnail: (session: string, at: string | undefined) => ['thumbnail', session, at] as const,
  homes: ['homes'] as const,
  audit: (action: string) => ['audit', action] as const,
  version: ['version'] as const,
};
