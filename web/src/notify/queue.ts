export type Priority = 'critical' | 'high' | 'medium' | 'low';

export interface Notice {
  readonly id: string;
  readonly priority: Priority;
  readonly severity: 'success' | 'info' | 'warning' | 'error';
  readonly title: string;
  readonly detail?: string;
  /** Where its button leads. */
  readonly action?: { readonly label: string; readonly to: string };
  readonly at: number;
}

export interface NoticeState {
  /** Still on screen or waiting for their turn, most important first. */
  readonly open: readonly Notice[];
  /** Everything that was said, newest first. */
  readonly history: readonly Notice[];
  readonly unread: number;
}

/** How many notices a person can scan while doing something else. */
export const SHOWN = 3;

/** How much of the past is kept. */
export const HISTORY = 50;

const RANK: Record<Priority, number> = { critical: 0, high: 1, medium: 2, low: 3 };

/** How long a notice stays, in milliseconds; null until somebody closes it. */
export const STAYS: Record<Priority, number | null> = {
  critical: null,
  high: 10_000,
  medium: 6_000,
  low: 4_000,
};

export const NOTHING: NoticeState = { open: [], history: [], unread: 0 };

/** Adds a notice. The same words that are still open are said once, with the newer time. */
export function add(state: NoticeState, notice: Notice): NoticeState {
  const others = state.open.filter((open) => open.title !== notice.title || open.detail !== notice.detail);
  const open = [...others, notice].sort((a, b) => RANK[a.priority] - RANK[b.priority] || b.at - a.at);
  return { open, history: [notice, ...state.history].slice(0, HISTORY), unread: state.unread + 1 };
}

export function close(state: NoticeState, id: string): NoticeState {
  return { ...state, open: state.open.filter((notice) => notice.id !== id) };
}

/** The history was looked at. */
export function read(state: NoticeState): NoticeState {
  return state.unread === 0 ? state : { ...state, unread: 0 };
}

export function shown(state: NoticeState): { notices: readonly Notice[]; more: number } {
  return { notices: state.open.slice(0, SHOWN), more: Math.max(0, state.open.length - SHOWN) };
}

/** What was kept in the browser: the history, and what still asks to be seen. */
export function revive(stored: string | null): NoticeState {
  try {
    const value: unknown = JSON.parse(stored ?? 'null');
    if (typeof value !== 'object' || value === null || !('history' in value) || !Array.isArray(value.history))
      return NOTHING;
    const history = value.history.filter(isNotice).slice(0, HISTORY);
    const openIds = new Set('open' in value && Array.isArray(value.open) ? value.open : []);
    return { history, open: history.filter((notice) => openIds.has(notice.id)), unread: 0 };
  } catch {
    return NOTHING;
  }
}

/** What survives a reload: the history, and the critical notices that nobody closed. */
export function persist(state: NoticeState): string {
  const open = state.open.filter((notice) => notice.priority === 'critical').map((notice) => notice.id);
  return JSON.stringify({ history: state.history, open });
}

function isNotice(value: unknown): value is Notice {
  return (
    typeof value === 'object' && value !== null && 'id' in value && 'title' in value && 'priority' in value
  );
}
