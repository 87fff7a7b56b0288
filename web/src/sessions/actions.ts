import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from 'react-router';
import { keys } from '../api/keys';
import { api } from '../api/resources';
import type { Session, SessionChange } from '../api/types';
import { useUser } from '../auth/login';
import { put } from '../events/cache';
import { useLive } from '../events/provider';
import { useNotify } from '../notify/provider';
import { useConfirm } from '../ui/confirm';
import { messageOf } from '../ui/problem';

/** What a person may do with a session, with the questions and the words that belong to it. */
export function useSessionActions() {
  const client = useQueryClient();
  const user = useUser();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const { notify } = useNotify();
  const { watching } = useLive();

  const failed = (title: string) => (error: unknown) =>
    notify({ priority: 'high', severity: 'error', title, detail: messageOf(error) });
  const remember = (session: Session) => {
    put(client, session, user.id);
    void client.invalidateQueries({ queryKey: keys.homes });
  };

  const start = useMutation({
    mutationFn: api.createSession,
    onSuccess: (session) => {
      watching.set(session.id); // a quick desktop is ready before the page has changed
      remember(session);
      void navigate(`/sessions/${session.id}`);
    },
    onError: failed('The session did not start'),
  });
  const change = useMutation({
    mutationFn: ({ id, ...wish }: SessionChange & { id: string }) => api.changeSession(id, wish),
    onSuccess: remember,
    onError: failed('Nothing was changed'),
  });
  const end = useMutation({
    mutationFn: api.stopSession,
    onSuccess: remember,
    onError: failed('The session was not stopped'),
  });

  return {
    /** Starts a desktop and opens it. */
    start: (template: string) => start.mutate({ template, key: newKey() }),
    /** The template that is being started now. */
    starting: start.isPending ? start.variables.template : null,
    busy: change.isPending || end.isPending,
    rename: (session: Session, name: string) => change.mutateAsync({ id: session.id, name }),
    wake: (session: Session) => change.mutate({ id: session.id, desiredState: 'running' }),
    hibernate: (session: Session) => change.mutate({ id: session.id, desiredState: 'hibernated' }),
    stop: async (session: Session): Promise<boolean> => {
      const sure = await confirm({
        title: `Stop ${session.name}?`,
        text: 'Its programs end, and what was not saved is lost. The home folder with your files stays.',
        action: 'Stop',
        dangerous: true,
      });
      if (sure) end.mutate(session.id);
      return sure;
    },
  };
}

/** Not crypto.randomUUID, which pages without TLS do not have. */
function newKey(): string {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join('-');
}

export type SessionActions = ReturnType<typeof useSessionActions>;
