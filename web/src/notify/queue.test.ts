import { describe, expect, it } from 'vitest';
import { aSession } from '../testing/session';
import { newsOf } from './changes';
import { add, close, HISTORY, NOTHING, persist, read, revive, shown, SHOWN, STAYS } from './queue';
import type { Notice, NoticeState, Priority } from './queue';

let count = 0;
const notice = (priority: Priority, title = `n${count}`): Notice => ({
  id: `id${count}`,
  priority,
  severity: 'info',
  title,
  at: count++,
});
const after = (...notices: Notice[]): NoticeState => notices.reduce(add, NOTHING);

describe('the queue', () => {
  it('shows the most important first, and says how many wait', () => {
    const [low, high, medium, critical] = [
      notice('low'),
      notice('high'),
      notice('medium'),
      notice('critical'),
    ];
    const state = after(low, high, medium, critical);
    expect(shown(state)).toEqual({ notices: [critical, high, medium], more: 1 });
    expect(shown(close(state, critical.id)).notices.at(-1)).toBe(low);
  });

  it('shows the newest of equals first', () => {
    const [older, newer] = [notice('low'), notice('low')];
    expect(shown(after(older, newer)).notices).toEqual([newer, older]);
  });

  it('says the same thing once', () => {
    const state = after(notice('low', 'same'), notice('low', 'same'));
    expect(state.open).toHaveLength(1);
    expect(state.history).toHaveLength(2);
  });

  it('keeps the last fifty', () => {
    const state = after(...Array.from({ length: HISTORY + 20 }, () => notice('low')));
    expect(state.history).toHaveLength(HISTORY);
    expect(state.history[0]?.id).toBe(`id${count - 1}`);
    expect(shown(state).notices).toHaveLength(SHOWN);
  });

  it('counts what was not read', () => {
    const state = after(notice('low'), notice('low'));
    expect(state.unread).toBe(2);
    expect(read(state).unread).toBe(0);
  });
});

describe('after a reload', () => {
  it('the history is there, and critical notices that nobody closed', () => {
    const [critical, closed, low] = [notice('critical'), notice('critical'), notice('low')];
    const state = revive(persist(close(after(critical, closed, low), closed.id)));
    expect(state.open).toEqual([critical]);
    expect(state.history).toEqual([low, closed, critical]);
  });

  it.each([null, '', '{', '[]', '{"history":3}', '{"history":[null,{}]}'])(
    'nothing comes of %j',
    (stored) => {
      expect(revive(stored)).toEqual(NOTHING);
    },
  );
});

it('only critical notices stay until they are closed', () => {
  expect(STAYS.critical).toBeNull();
  for (const priority of ['high', 'medium', 'low'] as const) expect(STAYS[priority]).toBeGreaterThan(0);
});

describe('news of a session', () => {
  const was = aSession({ state: 'starting' });

  it('are told for real changes', () => {
    expect(newsOf(was, aSession({ state: 'running' }), null)?.title).toBe('Terminal is ready');
    expect(newsOf(aSession(), aSession({ state: 'hibernated' }), null)?.priority).toBe('low');
    expect(newsOf(aSession(), aSession({ state: 'failed', reason: 'xterm died' }), null)).toMatchObject({
      priority: 'critical',
      detail: 'xterm died',
    });
  });

  it('are not told for what is no change, is not known, or is looked at', () => {
    expect(newsOf(aSession(), aSession({ name: 'renamed' }), null)).toBeNull();
    expect(newsOf(undefined, aSession(), null)).toBeNull();
    expect(newsOf(was, undefined, null)).toBeNull();
    expect(newsOf(was, aSession(), 'ses_1')).toBeNull();
    expect(newsOf(aSession({ state: 'pending' }), was, null)).toBeNull();
  });
});
