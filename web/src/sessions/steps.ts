import type { Session } from '../api/types';

export interface Step {
  readonly label: string;
  readonly state: 'done' | 'active' | 'waiting' | 'failed';
  /** What is being done right now, as the runtime says it. */
  readonly detail?: string;
}

/** Whether a desktop is on its way up. */
export function comingUp(state: Session['state']): boolean {
  return state === 'pending' || state === 'starting' || state === 'waking';
}

/** Whether the session can be opened: the stream waits while it comes up, and wakes it when it sleeps. */
export function openable(state: Session['state']): boolean {
  return comingUp(state) || state === 'running' || state === 'hibernating' || state === 'hibernated';
}

/** The way from a click to a picture, and how far it is. `streaming` says that pixels arrive. */
export function stepsOf(session: Session, streaming: boolean): Step[] {
  const waking =
    session.state === 'waking' || session.state === 'hibernated' || session.state === 'hibernating';
  const labels = [
    waking ? 'Waking up' : 'Request accepted',
    'Starting the desktop',
    'Connecting the picture',
  ] as const;
  const reached = position(session.state, streaming);
  return labels.map((label, i) => {
    if (session.state === 'failed' && i === 1) return { label, state: 'failed', ...detailOf(session.reason) };
    if (i < reached) return { label, state: 'done' };
    return i === reached
      ? { label, state: 'active', ...detailOf(i === 1 ? session.step : undefined) }
      : { label, state: 'waiting' };
  });
}

function position(state: Session['state'], streaming: boolean): number {
  switch (state) {
    case 'running':
      return streaming ? 3 : 2;
    case 'starting':
    case 'waking':
    case 'failed':
      return 1;
    default:
      return 0;
  }
}

function detailOf(text: string | undefined): { detail?: string } {
  return text ? { detail: text } : {};
}
