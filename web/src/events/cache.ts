import type { QueryClient } from '@tanstack/react-query';
import { keys } from '../api/keys';
import type { Scope } from '../api/keys';
import type { LiveEvent, Session, SessionPage } from '../api/types';

/** States that lists leave out unless they are asked for. */
const OVER = new Set<Session['state']>(['stopped']);

const SCOPES: readonly Scope[] = ['mine', 'shared', 'all'];

/** A list of sessions after one of them changed: newest first, the stopped ones gone. */
export function withSession(list: readonly Session[], changed: Session): Session[] {
  if (OVER.has(changed.state)) return list.filter((session) => session.id !== changed.id);
  const index = list.findIndex((session) => session.id === changed.id);
  if (index < 0) return [changed, ...list];
  return list.map((session) => (session.id === changed.id ? changed : session));
}

/** Writes one event into the cache. Returns the session as it was known before, to tell what really changed. */
export function applyEvent(client: QueryClient, event: LiveEvent, userId: string): Session | undefined {
  const [area] = event.type.split('.');
  if (area === 'user') {
    void client.invalidateQueries({ queryKey: keys.users });
    if (event.subject === userId) void client.invalidateQueries({ queryKey: keys.login });
    return undefined;
  }
  if (area !== 'session') return undefined;
  const id = event.session?.id ?? event.subject;
  if (id === undefined) return undefined;
  if (event.type === 'session.shares') {
    void client.invalidateQueries({ queryKey: keys.shares(id) });
    return undefined;
  }
  if (event.type === 'session.unshared') {
    updateList(client, 'shared', (list) => list.filter((session) => session.id !== id));
    void client.invalidateQueries({ queryKey: keys.session(id) }); // an administrator still sees it
    return undefined;
  }
  const before = client.getQueryData<Session>(keys.session(id)) ?? known(client, id);
  if (event.session) write(client, event.session, userId);
  else drop(client, id);
  if (event.type !== 'session.updated' || event.session?.state !== before?.state) {
    void client.invalidateQueries({ queryKey: keys.homes });
  }
  return before;
}

/**
 * Writes a session that came as the answer to a request of ours, unless events have already told what became of it:
 * an answer is written before what it causes, and may be read after.
 */
export function put(client: QueryClient, session: Session, userId: string): void {
  const latest = client.getQueryData<Session>(keys.session(session.id)) ?? known(client, session.id);
  if (latest && Date.parse(latest.stateChangedAt) > Date.parse(session.stateChangedAt)) return;
  if (!latest && session.desiredState === 'stopped') return; // it has ended in the meantime, and is forgotten
  write(client, session, userId);
}

function write(client: QueryClient, session: Session, userId: string): void {
  const queryKey = keys.session(session.id);
  client.setQueryData(queryKey, session);
  refetchIfUnderWay(client, queryKey);
  updateList(client, 'all', (list) => withSession(list, session));
  if (session.owner.id === userId) updateList(client, 'mine', (list) => withSession(list, session));
  if (session.sharedBy) updateList(client, 'shared', (list) => withSession(list, session));
}

function drop(client: QueryClient, id: string): void {
  client.removeQueries({ queryKey: keys.session(id) });
  for (const scope of SCOPES) {
    updateList(client, scope, (list) => list.filter((session) => session.id !== id));
  }
}

function updateList(client: QueryClient, scope: Scope, change: (list: Session[]) => Session[]): void {
  const queryKey = keys.sessions(scope);
  client.setQueryData<SessionPage>(queryKey, (page) => page && { ...page, items: change(page.items) });
  refetchIfUnderWay(client, queryKey);
}

/** An answer that was already on its way may be older than what was just written. */
function refetchIfUnderWay(client: QueryClient, queryKey: readonly unknown[]): void {
  if (client.isFetching({ queryKey }) > 0) void client.invalidateQueries({ queryKey });
}

function known(client: QueryClient, id: string): Session | undefined {
  return SCOPES.map((scope) =>
    client.getQueryData<SessionPage>(keys.sessions(scope))?.items.find((item) => item.id === id),
  ).find((session) => session !== undefined);
}
