import { useEffect, useState, useSyncExternalStore } from 'react';
import { api } from '../../api/resources';
import { PROTOCOLS } from '../../stream/channel';
import { ClipboardSync } from '../../stream/clipboard';
import { openDisplay } from '../../stream/display';
import type { RoomState } from '../../stream/room';
import { PeerSocket } from '../../stream/webrtc';
import { StreamSession } from '../../stream/session';
import type { Settings, Surroundings } from '../../stream/session';
import type { Store } from '../../stream/store';
import type { Permission } from '../../stream/ticket';
import { loadSettings, saveSettings } from './settings';

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}

/** Who is here, and what this viewer may do with its input. */
export function useRoom(stream: StreamSession): RoomState {
  return useStore(stream.room.state);
}

/** The stream of a session of one's own, or that one may see. */
export function useSessionStream(id: string, wanted: readonly Permission[] | null) {
  return useStream(wanted, (permissions, signal) => api.connect(id, permissions, signal));
}

/** A stream for as long as the component is shown. It is opened by whoever has the element for it. */
export function useStream(wanted: readonly Permission[] | null, openTicket: Surroundings['openTicket']) {
  const [settings, setSettings] = useState(loadSettings);
  const [stream] = useState(
    () =>
      new StreamSession(settings, wanted, {
        openTicket,
        openSocket: (url) => new WebSocket(url, [...PROTOCOLS]),
        openPeer: (url, relays) => new PeerSocket(url, relays),
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
