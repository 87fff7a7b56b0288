import type { Session } from '../api/types';
import type { Notice } from './queue';

type News = Omit<Notice, 'id' | 'at'>;

/**
 * What to tell about a session that changed, or null when there is nothing worth a notice: something that was not
 * known before (a first answer, a replay), a state that did not change, or what the person looks at anyway.
 */
export function newsOf(
  before: Session | undefined,
  after: Session | undefined,
  watching: string | null,
): News | null {
  if (!before || !after || before.state === after.state || after.id === watching) return null;
  const open = { label: 'Open', to: `/sessions/${after.id}` };
  switch (after.state) {
    case 'running':
      return { priority: 'medium', severity: 'success', title: `${after.name} is ready`, action: open };
    case 'hibernated':
      return {
        priority: 'low',
        severity: 'info',
        title: `${after.name} went to sleep`,
        detail: 'It wakes up when you open it.',
        action: { ...open, label: 'Wake' },
      };
    case 'stopped':
      return {
        priority: 'low',
        severity: 'info',
        title: `${after.name} was stopped`,
        detail: 'Its home folder stays.',
      };
    case 'failed':
      return {
        priority: 'critical',
        severity: 'error',
        title: `${after.name} failed`,
        detail: after.reason ?? 'The desktop ended by itself too often.',
        action: { label: 'Sessions', to: '/sessions' },
      };
    default:
      return null;
  }
}
