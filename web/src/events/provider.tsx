import { useQueryClient } from '@tanstack/react-query';
import { createContext, use, useEffect, useState, useSyncExternalStore } from 'react';
import type { ReactNode } from 'react';
import { useMatch } from 'react-router';
import { keys } from '../api/keys';
import { API_BASE } from '../api/transport';
import type { User } from '../api/types';
import { newsOf } from '../notify/changes';
import { useNotify } from '../notify/provider';
import { Store } from '../stream/store';
import { applyEvent } from './cache';
import { LiveEvents } from './connection';
import type { LiveStatus } from './connection';

interface Live {
  readonly status: Store<LiveStatus>;
  /** The session that the person looks at, or is being led to: its changes need no notice. */
  readonly watching: Store<string | null>;
}

const newLive = (): Live => ({
  status: new Store<LiveStatus>('connecting'),
  watching: new Store<string | null>(null),
});

const LiveContext = createContext<Live>(newLive());

export function useLive(): Live {
  return use(LiveContext);
}

export function useLiveStatus(): LiveStatus {
  const { status } = useLive();
  return useSyncExternalStore(status.subscribe, status.get);
}

function eventsUrl(): string {
  const url = new URL(`${API_BASE}/events`, window.location.origin);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/** Keeps the cache up to date while somebody is signed in, and tells what changed. */
export function LiveProvider({ user, children }: { user: User; children: ReactNode }) {
  const client = useQueryClient();
  const { notify } = useNotify();
  const open = useMatch('/sessions/:id')?.params.id ?? null;
  const [live] = useState(newLive);
  const { status, watching } = live;
  useEffect(() => watching.set(open), [watching, open]);

  useEffect(() => {
    const events = new LiveEvents(eventsUrl(), {
      event: (event) => {
        const before = applyEvent(client, event, user.id);
        const news =
          event.session?.owner.id === user.id ? newsOf(before, event.session, watching.get()) : null;
        if (news) notify(news);
      },
      resync: () => {
        for (const area of [['sessions'], ['session'], keys.homes, keys.users]) {
          void client.invalidateQueries({ queryKey: area });
        }
      },
      suspect: () => void client.invalidateQueries({ queryKey: keys.login }),
    });
    const unsubscribe = events.status.subscribe(() => status.set(events.status.get()));
    events.start();
    return () => {
      unsubscribe();
      events.close();
    };
  }, [client, notify, status, user.id, watching]);

  return <LiveContext value={live}>{children}</LiveContext>;
}
