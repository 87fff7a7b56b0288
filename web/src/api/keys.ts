/** The names under which answers are cached. */
export const keys = {
  login: ['login'] as const,
  signIns: ['sign-ins'] as const,
  apiKeys: ['api-keys'] as const,
  users: ['users'] as const,
  templates: ['templates'] as const,
  sessions: (scope: 'mine' | 'all') => ['sessions', scope] as const,
  session: (id: string) => ['session', id] as const,
  homes: ['homes'] as const,
  audit: (action: string) => ['audit', action] as const,
  version: ['version'] as const,
};
