import { QueryClient } from '@tanstack/react-query';
import { beforeEach, describe, expect, it } from 'vitest';
import { keys } from '../api/keys';
import type { Scope } from '../api/keys';
import type { LiveEvent, Session, SessionPage } from '../api/types';
import { aSession, owner } from '../testing/session';
import { applyEvent, put, withSession } from './cache';

let client: QueryClient;

beforeEach(() => {
  client = new QueryClient();
  client.setQueryData(keys.sessions('mine'), { items: [aSession()] });
  client.setQueryData(keys.sessions('all'), { items: [aSession()] });
});

const event = (type: LiveEvent['type'], session?: Session): LiveEvent => ({
  id: 1,
  type,
  at: '2026-11-23T10:00:00Z',
  ...(session && { session, subject: session.id }),
});
const list = (scope: Scope) =>
  client.getQueryData<SessionPage>(keys.sessions(scope))?.items.map((one) => `${one.id} ${one.state}`);

describe('a session event', () => {
  it('changes the session wherever it is shown, and says what was known before', () => {
    const before = applyEvent(client, event('session.updated', aSession({ state: 'hibernated' })), owner.id);
    expect(before?.state).toBe('running');
    expect(client.getQueryData<Session>(keys.session('ses_1'))?.state).toBe('hibernated');
    expect(list('mine')).toEqual(['ses_1 hibernated']);
    expect(list('all')).toEqual(['ses_1 hibernated']);
  });

  it('puts a new one first', () => {
    const before = applyEvent(
      client,
      event('session.created', aSession({ id: 'ses_2', state: 'pending' })),
      owner.id,
    );
    expect(before).toBeUndefined();
    expect(list('mine')).toEqual(['ses_2 pending', 'ses_1 running']);
  });

  it("keeps other people's sessions out of one's own list", () => {
    const other = aSession({ id: 'ses_3', owner: { id: 'usr_grace', username: 'grace' } });
    applyEvent(client, event('session.created', other), owner.id);
    expect(list('mine')).toEqual(['ses_1 running']);
    expect(list('all')).toEqual(['ses_3 running', 'ses_1 running']);
  });

  it('takes a stopped one out of the lists and keeps it for the page that shows it', () => {
    applyEvent(client, event('session.updated', aSession({ state: 'stopped' })), owner.id);
    expect(list('mine')).toEqual([]);
    expect(client.getQueryData<Session>(keys.session('ses_1'))?.state).toBe('stopped');
  });

  it('follows what others share, and forgets it when they end that', () => {
    client.setQueryData(keys.sessions('shared'), { items: [] });
    const other = { id: 'usr_grace', username: 'grace' };
    const theirs = aSession({ id: 'ses_3', owner: other, sharedBy: other });
    applyEvent(client, event('session.shared', theirs), owner.id);
    expect(list('shared')).toEqual(['ses_3 running']);
    expect(list('mine')).toEqual(['ses_1 running']);
    applyEvent(client, { ...event('session.unshared'), subject: 'ses_3' }, owner.id);
    expect(list('shared')).toEqual([]);
    applyEvent(client, { ...event('session.shares'), subject: 'ses_1' }, owner.id); // its list of shares changed
    expect(list('mine')).toEqual(['ses_1 running']);
  });

  it('forgets a deleted one', () => {
    client.setQueryData(keys.session('ses_1'), aSession());
    applyEvent(client, { ...event('session.deleted'), subject: 'ses_1' }, owner.id);
    expect(list('mine')).toEqual([]);
    expect(client.getQueryData(keys.session('ses_1'))).toBeUndefined();
  });

  it('does not invent lists that nobody asked for', () => {
    client.clear();
    applyEvent(client, event('session.created', aSession()), owner.id);
    expect(list('mine')).toBeUndefined();
  });
});

describe('a user event', () => {
  it('makes the accounts and, for oneself, the sign-in be read again', () => {
    client.setQueryData(keys.users, []);
    client.setQueryData(keys.login, {});
    applyEvent(client, { ...event('user.updated'), subject: 'usr_grace' }, owner.id);
    expect(client.getQueryState(keys.users)?.isInvalidated).toBe(true);
    expect(client.getQueryState(keys.login)?.isInvalidated).toBe(false);
    applyEvent(client, { ...event('user.updated'), subject: owner.id }, owner.id);
    expect(client.getQueryState(keys.login)?.isInvalidated).toBe(true);
  });
});

it('withSession replaces in place', () => {
  const items = [aSession({ id: 'a' }), aSession({ id: 'b' }), aSession({ id: 'c' })];
  expect(withSession(items, aSession({ id: 'b', name: 'new' })).map((one) => one.name)).toEqual([
    'Terminal',
    'new',
    'Terminal',
  ]);
});

describe('an answer', () => {
  const later = '2026-11-23T10:00:05Z';

  it('is written like an event', () => {
    put(client, aSession({ name: 'renamed' }), owner.id);
    expect(client.getQueryData<SessionPage>(keys.sessions('mine'))?.items[0]?.name).toBe('renamed');
  });

  it('does not bring back what an event has overtaken', () => {
    applyEvent(
      client,
      event('session.updated', aSession({ state: 'stopped', stateChangedAt: later })),
      owner.id,
    );
    put(client, aSession({ desiredState: 'stopped' }), owner.id);
    expect(list('mine')).toEqual([]);
    expect(client.getQueryData<Session>(keys.session('ses_1'))?.state).toBe('stopped');
  });
});
