import type { Session } from '../api/types';

export const owner = { id: 'usr_ada', username: 'ada' };

export function aSession(change: Partial<Session> = {}): Session {
  return {
    id: 'ses_1',
    name: 'Terminal',
    template: 'terminal',
    templateDisplayName: 'Terminal',
    icon: 'terminal',
    owner,
    desiredState: 'running',
    state: 'running',
    createdAt: '2026-11-23T10:00:00Z',
    stateChangedAt: '2026-11-23T10:00:00Z',
    idleTimeoutSeconds: 1800,
    viewers: 0,
    homeId: 'hom_1',
    permissions: ['view', 'control', 'clipboard.in', 'clipboard.out', 'files', 'audio', 'admin'],
    ...change,
  };
}
