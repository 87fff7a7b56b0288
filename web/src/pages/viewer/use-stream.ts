import { useEffect, useState, useSyncExternalStore } from 'react';
import { api } from '../../api/resources';
import { PROTOCOLS } from '../../stream/channel';
import { ClipboardSync } from '../../stream/clipboard';
import { openDisplay } from '../../stream/display';
import { StreamSession } from '../../stream/session';
import type { Settings } from '../../stream/session';
import type { Store } from '../../stream/store';
import type { Permission } from '../../stream/ticket';
import { loadSettings, saveSettings } from './settings';

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}

/** The stream of a session, for as long as the component is shown. It is opened by whoever has the element for it. */
export function useStream(id: string, wanted: readonly Permission[] | null) {
  const [settings, setSettings] = useState(loadSettings);
  const [stream] = useState(
    () =>
      new StreamSession(settings, wanted, {
        openTicket: (permissions, signal) => api.connect(id, permissions, signal),
        openSocket: (url) => new WebSocket(url, [...PROTOCOLS]),
        openDisplay,
        random: Math.random,
      }),
  );
  useEffect(() => () => stream.close(), [stream]);
  const configure = (change: Partial<Settings>) => {
    const next = { ...settings, ...change };
    setSettings(next);
    saveSettings(next);
    stream.configure(next);
  };
  return { stream, settings, configure };
}

export function useClipboard(stream: StreamSession): ClipboardSync {
  const [sync] = useState(() => new ClipboardSync(stream));
  useEffect(() => {
    sync.start();
    return () => sync.close();
  }, [sync]);
  return sync;
}
