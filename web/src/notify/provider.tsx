import { createContext, use, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { add, close, NOTHING, persist, read, revive, STAYS } from './queue';
import type { Notice, NoticeState } from './queue';

interface Notifications {
  readonly state: NoticeState;
  notify(notice: Omit<Notice, 'id' | 'at'>): void;
  dismiss(id: string): void;
  markRead(): void;
  clear(): void;
}

const NotifyContext = createContext<Notifications>({
  state: NOTHING,
  notify: () => undefined,
  dismiss: () => undefined,
  markRead: () => undefined,
  clear: () => undefined,
});

export function useNotify(): Notifications {
  return use(NotifyContext);
}

/** Where a person's notices are kept: in this tab's storage, gone when it closes. */
const STORAGE = 'streamspace.notices';

export function NotifyProvider({ children }: { children: ReactNode }) {
  const [state, setState] = useState<NoticeState>(() => revive(sessionStorage.getItem(STORAGE)));
  const timers = useRef(new Map<string, ReturnType<typeof setTimeout>>());

  const dismiss = useCallback((id: string) => setState((current) => close(current, id)), []);
  const notify = useCallback<Notifications['notify']>(
    (notice) => {
      const id = crypto.getRandomValues(new Uint32Array(2)).join('-');
      setState((current) => add(current, { ...notice, id, at: Date.now() }));
      const stay = STAYS[notice.priority];
      if (stay === null) return;
      const timer = setTimeout(() => {
        timers.current.delete(id);
        dismiss(id);
      }, stay);
      timers.current.set(id, timer);
    },
    [dismiss],
  );
  const markRead = useCallback(() => setState(read), []);
  const clear = useCallback(() => setState(NOTHING), []);

  useEffect(() => sessionStorage.setItem(STORAGE, persist(state)), [state]);
  useEffect(() => {
    const pending = timers.current;
    return () => {
      for (const timer of pending.values()) clearTimeout(timer);
    };
  }, []);

  const value = useMemo(
    () => ({ state, notify, dismiss, markRead, clear }),
    [state, notify, dismiss, markRead, clear],
  );
  return <NotifyContext value={value}>{children}</NotifyContext>;
}
